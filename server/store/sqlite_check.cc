// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_check.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite_connections.h"
#include "server/store/sqlite_database.h"
#include "server/store/sqlite_reader.h"
#include "server/store/sqlite_schema.h"

namespace backprop {
namespace {

constexpr size_t kLogBytes = size_t{16} << 20;
constexpr size_t kHeadsAtOnce = 1000;

class StoreCheck {
 public:
  StoreCheck(SqliteDatabase& database, SqliteReader& reader,
             const std::function<void(std::string_view)>& fault)
      : database_(database), reader_(reader), fault_(fault) {}

  void Run() {
    CheckPages();
    CheckSessionTable();
    CheckEverySession();
    CheckOrphans("pieces");
    CheckOrphans("epochs");
  }

 private:
  // SQLite's own check: of its pages and of the order in its tables.
  void CheckPages() {
    EachRow("PRAGMA integrity_check", [&](const SqliteRows& rows) {
      if (rows.Bytes(0) != "ok") fault_(rows.Bytes(0));
    });
  }

  void CheckSessionTable() {
    absl::StatusOr<StoreRow> row = reader_.ReadStoreRow();
    Tell(row.ok() ? reader_.CheckSessions(*row) : row.status());
  }

  void CheckEverySession() {
    for (std::string after;;) {
      absl::StatusOr<std::vector<StoredHead>> heads =
          reader_.List(after, kHeadsAtOnce);
      if (!heads.ok()) return Tell(heads.status());
      for (const StoredHead& head : *heads) CheckSession(head);
      // A damaged table may lead in circles.
      if (heads->empty() || heads->back().head.id <= after) return;
      after = heads->back().head.id;
    }
  }

  void CheckSession(const StoredHead& head) {
    if (!head.damage.ok()) return Tell(head.damage);
    const std::string& id = head.head.id;
    absl::StatusOr<StoredSession> session = reader_.Load(id);
    if (!session.ok()) return Tell(session.status());
    for (const StoredPiece& piece : session->pieces) {
      Tell(reader_.ReadPiece(id, piece.name.number).status());
    }
  }

  void CheckOrphans(const std::string& table) {
    EachRow(absl::StrCat("SELECT session, count(*) FROM ", table,
                         " WHERE session NOT IN (SELECT key FROM sessions)"
                         " GROUP BY session"),
            [&](const SqliteRows& rows) {
              fault_(absl::StrCat(rows.Integer(1), " rows of table ", table,
                                  " belong to session key ", rows.Integer(0),
                                  ", which no session has"));
            });
  }

  void EachRow(const std::string& sql,
               const std::function<void(const SqliteRows&)>& use) {
    absl::StatusOr<SqliteStatement> statement = database_.Prepare(sql);
    if (!statement.ok()) return Tell(statement.status());
    SqliteRows rows = statement->Run();
    while (rows.Next()) use(rows);
    Tell(rows.status());
  }

  void Tell(const absl::Status& status) {
    if (status.ok()) return;
    const absl::string_view message = status.message();
    fault_({message.data(), message.size()});
  }

  SqliteDatabase& database_;
  SqliteReader& reader_;
  const std::function<void(std::string_view)>& fault_;
};

class SqliteLook final : public ReadableStore {
 public:
  explicit SqliteLook(std::unique_ptr<ReadingConnection> reading)
      : reading_(std::move(reading)) {}

  absl::StatusOr<StoredSession> Load(const std::string& id) override {
    return reading_->reader().Load(id);
  }
  absl::StatusOr<std::vector<StoredHead>> List(const std::string& after,
                                               size_t count) override {
    return reading_->reader().List(after, count);
  }
  absl::StatusOr<std::string> ReadPiece(const std::string& id,
                                        uint64_t number) override {
    return reading_->reader().ReadPiece(id, number);
  }

 private:
  const std::unique_ptr<ReadingConnection> reading_;
};

}  // namespace

absl::Status CheckSqliteStore(
    const std::string& data_dir,
    const std::function<void(std::string_view)>& fault) {
  absl::StatusOr<SqliteDatabase> database =
      ConnectToStoreFile(StoreFileIn(data_dir), kLogBytes);
  if (!database.ok()) return database.status();
  absl::StatusOr<SqliteReader> reader = SqliteReader::Over(*database);
  if (!reader.ok()) return reader.status();
  StoreCheck(*database, *reader, fault).Run();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ReadableStore>> LookIntoSqliteStore(
    const std::string& data_dir) {
  auto reading = ReadingConnection::Open(StoreFileIn(data_dir), kLogBytes);
  if (!reading.ok()) return reading.status();
  return std::make_unique<SqliteLook>(*std::move(reading));
}

}  // namespace backprop
