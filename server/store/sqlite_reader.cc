// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_reader.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"

namespace backprop {
namespace {

constexpr char kHeadColumns[] =
    "SELECT id, key, epoch, step, epochs, epoch_hashes, pieces, piece_hashes,"
    " piece_bytes, hash, body FROM sessions ";
constexpr char kPieceColumns[] =
    "SELECT number, kind, base_step, step, first_number, bytes_hash, hash,"
    " length(bytes), session";

// Marks a status as of a row.
constexpr char kRowPayload[] = "backprop/damaged-row";

absl::Status Damaged(const std::string& what) {
  absl::Status status = absl::DataLossError(absl::StrCat(
      what,
      " is damaged in the store: what was read is not what was written. "
      "Put back a copy of the data directory."));
  status.SetPayload(kRowPayload, absl::Cord());
  return status;
}

absl::Status DamagedSession(const std::string& id, const std::string& part) {
  return Damaged(absl::StrCat("session ", id, " (", part, ")"));
}

// Columns as in kHeadColumns.
HeadRow HeadOf(const SqliteRows& rows) {
  HeadRow row;
  row.head.id = rows.Bytes(0);
  row.key = rows.Integer(1);
  row.head.epoch = rows.Integer(2);
  row.head.step = rows.Integer(3);
  row.epochs = {rows.Integer(4), rows.Integer(5)};
  row.pieces = {rows.Integer(6), rows.Integer(7)};
  row.piece_bytes = rows.Integer(8);
  row.head.body = rows.Bytes(10);
  return row;
}

uint64_t HashBesideHead(const SqliteRows& rows) { return rows.Integer(9); }

// Columns as in kPieceColumns.
PieceRow PieceOf(const SqliteRows& rows) {
  PieceRow row;
  row.name = {.number = rows.Integer(0),
              .kind = static_cast<PieceKind>(rows.Integer(1)),
              .base_step = rows.Integer(2),
              .step = rows.Integer(3),
              .first_number = rows.Integer(4)};
  row.bytes_hash = rows.Integer(5);
  row.size = rows.Integer(7);
  return row;
}

uint64_t HashBesidePiece(const SqliteRows& rows) { return rows.Integer(6); }

uint64_t SessionBesidePiece(const SqliteRows& rows) { return rows.Integer(8); }

// A transaction that sees one state of all tables.
class Snapshot {
 public:
  explicit Snapshot(SqliteDatabase& database)
      : database_(database), status_(database.Execute("BEGIN")) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  // Nothing was written, so nothing is lost where this fails; the next BEGIN
  // would say so.
  ~Snapshot() { database_.Execute("COMMIT").IgnoreError(); }

  const absl::Status& status() const { return status_; }

 private:
  SqliteDatabase& database_;
  const absl::Status status_;
};

}  // namespace

bool IsDamagedRow(const absl::Status& status) {
  return status.GetPayload(kRowPayload).has_value();
}

absl::Status DamagedPiece(const std::string& id, uint64_t number) {
  return Damaged(absl::StrCat("piece ", number, " of session ", id));
}

absl::StatusOr<HeadFinder> HeadFinder::Over(SqliteDatabase& database) {
  absl::StatusOr<SqliteStatement> find =
      database.Prepare(absl::StrCat(kHeadColumns, "WHERE id = ?"));
  if (!find.ok()) return find.status();
  return HeadFinder(*std::move(find));
}

absl::StatusOr<std::optional<HeadRow>> HeadFinder::Find(const std::string& id) {
  SqliteRows rows = find_.Run(id);
  if (!rows.Next()) {
    if (!rows.status().ok()) return rows.status();
    return std::nullopt;
  }
  HeadRow row = HeadOf(rows);
  if (HashOf(row) == HashBesideHead(rows)) return row;
  return DamagedSession(id, "its head");
}

absl::StatusOr<SqliteReader> SqliteReader::Over(SqliteDatabase& database) {
  absl::StatusOr<HeadFinder> heads = HeadFinder::Over(database);
  if (!heads.ok()) return heads.status();
  std::vector<SqliteStatement> statements;
  for (const std::string& sql :
       {absl::StrCat(kHeadColumns, "WHERE id > ? ORDER BY id LIMIT ?"),
        std::string(
            "SELECT epoch, first_step, session FROM epochs WHERE session = ?"
            " ORDER BY epoch"),
        absl::StrCat(kPieceColumns,
                     " FROM pieces WHERE session = ? ORDER BY number"),
        absl::StrCat(kPieceColumns,
                     ", bytes FROM pieces WHERE session = ? AND number = ?")}) {
    absl::StatusOr<SqliteStatement> statement = database.Prepare(sql);
    if (!statement.ok()) return statement.status();
    statements.push_back(*std::move(statement));
  }
  return SqliteReader(database, *std::move(heads), std::move(statements));
}

SqliteReader::SqliteReader(SqliteDatabase& database, HeadFinder heads,
                           std::vector<SqliteStatement> statements)
    : database_(&database),
      heads_(std::move(heads)),
      list_(std::move(statements[0])),
      epochs_(std::move(statements[1])),
      pieces_(std::move(statements[2])),
      piece_(std::move(statements[3])) {}

absl::StatusOr<HeadRow> SqliteReader::FindHead(const std::string& id) {
  absl::StatusOr<std::optional<HeadRow>> row = heads_.Find(id);
  if (!row.ok()) return row.status();
  if (row->has_value()) return **std::move(row);
  return absl::NotFoundError(
      absl::StrCat("session ", id, " is not in the store"));
}

// A row whose key is damaged may be met on the way through its table, but is
// not found by its key.
absl::Status SqliteReader::ReadEpochs(const HeadRow& head,
                                      std::vector<EpochStart>& epochs) {
  RowSum found;
  bool keys = true;
  SqliteRows rows = epochs_.Run(head.key);
  while (rows.Next()) {
    epochs.push_back({rows.Integer(0), rows.Integer(1)});
    found.Add(HashOf(head.head.id, epochs.back()));
    keys = keys && rows.Integer(2) == head.key;
  }
  if (!rows.status().ok()) return rows.status();
  return keys && found == head.epochs
             ? absl::OkStatus()
             : DamagedSession(head.head.id, "its epochs");
}

absl::Status SqliteReader::ReadPieces(const HeadRow& head,
                                      std::vector<StoredPiece>& pieces) {
  RowSum found;
  SqliteRows rows = pieces_.Run(head.key);
  while (rows.Next()) {
    const PieceRow piece = PieceOf(rows);
    const uint64_t hash = HashOf(head.head.id, piece);
    if (hash != HashBesidePiece(rows) || SessionBesidePiece(rows) != head.key) {
      return DamagedPiece(head.head.id, piece.name.number);
    }
    found.Add(hash);
    pieces.push_back({piece.name, piece.size});
  }
  if (!rows.status().ok()) return rows.status();
  if (found == head.pieces) return absl::OkStatus();
  return DamagedSession(
      head.head.id, absl::StrCat("its pieces: there are ", found.rows, ", of ",
                                 head.pieces.rows));
}

absl::StatusOr<StoredSession> SqliteReader::LoadRows(const std::string& id) {
  absl::StatusOr<HeadRow> head = FindHead(id);
  if (!head.ok()) return head.status();
  StoredSession session;
  if (absl::Status s = ReadEpochs(*head, session.epochs); !s.ok()) return s;
  if (absl::Status s = ReadPieces(*head, session.pieces); !s.ok()) return s;
  session.head = std::move(head->head);
  return session;
}

absl::StatusOr<StoredSession> SqliteReader::Load(const std::string& id) {
  const Snapshot snapshot(*database_);
  if (!snapshot.status().ok()) return snapshot.status();
  return LoadRows(id);
}

absl::StatusOr<std::vector<StoredHead>> SqliteReader::List(
    const std::string& after, size_t count) {
  std::vector<StoredHead> heads;
  SqliteRows rows = list_.Run(after, uint64_t{count});
  while (rows.Next()) {
    HeadRow row = HeadOf(rows);
    StoredHead& listed = heads.emplace_back();
    if (HashOf(row) != HashBesideHead(rows)) {
      listed.damage = DamagedSession(row.head.id, "its head");
      listed.head.id = std::move(row.head.id);
      continue;
    }
    listed.bytes = row.piece_bytes;
    listed.head = std::move(row.head);
  }
  if (!rows.status().ok()) return rows.status();
  return heads;
}

absl::StatusOr<std::string> SqliteReader::ReadPiece(const std::string& id,
                                                    uint64_t number) {
  const Snapshot snapshot(*database_);
  if (!snapshot.status().ok()) return snapshot.status();
  return ReadBytes(id, number);
}

absl::StatusOr<std::string> SqliteReader::ReadBytes(const std::string& id,
                                                    uint64_t number) {
  absl::StatusOr<HeadRow> head = FindHead(id);
  if (!head.ok()) return head.status();
  SqliteRows rows = piece_.Run(head->key, number);
  if (!rows.Next()) {
    return rows.status().ok() ? NoPiece(*head, number) : rows.status();
  }
  const std::string_view bytes = rows.Bytes(9);
  PieceRow piece = PieceOf(rows);
  piece.bytes_hash = DigestOfBytes(bytes);
  piece.size = bytes.size();
  if (HashOf(id, piece) != HashBesidePiece(rows)) {
    return DamagedPiece(id, number);
  }
  return std::string(bytes);
}

absl::Status SqliteReader::NoPiece(const HeadRow& head, uint64_t number) {
  std::vector<StoredPiece> others;
  if (absl::Status s = ReadPieces(head, others); !s.ok()) return s;
  return absl::NotFoundError(
      absl::StrCat("session ", head.head.id, " has no piece ", number));
}

absl::StatusOr<StoreRow> SqliteReader::ReadStoreRow() {
  absl::StatusOr<SqliteStatement> read = database_->Prepare(
      "SELECT commits, next_key, sessions, session_hashes, hash FROM store");
  if (!read.ok()) return read.status();
  SqliteRows rows = read->Run();
  StoreRow row;
  uint64_t hash = 0;
  uint64_t found = 0;
  for (; rows.Next(); ++found) {
    row = {.commits = rows.Integer(0),
           .next_key = rows.Integer(1),
           .sessions = {rows.Integer(2), rows.Integer(3)}};
    hash = rows.Integer(4);
  }
  if (!rows.status().ok()) return rows.status();
  if (found == 1 && hash == HashOf(row)) return row;
  return absl::DataLossError(
      "the store's table store is damaged: put back a copy of the data "
      "directory");
}

absl::Status SqliteReader::CheckSessions(const StoreRow& row) {
  absl::StatusOr<SqliteStatement> read = database_->Prepare(
      "SELECT id, typeof(id) = 'text' FROM sessions ORDER BY id");
  if (!read.ok()) return read.status();
  RowSum found;
  std::string last;
  bool ordered = true;
  SqliteRows rows = read->Run();
  while (rows.Next()) {
    const std::string_view id = rows.Bytes(0);
    // Bytes that are no text any more would not be found by it.
    ordered = ordered && rows.Integer(1) == 1 && id > last;
    found.Add(HashOfId(id));
    last = id;
  }
  if (!rows.status().ok()) return rows.status();
  if (ordered && found == row.sessions) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the store's table sessions is damaged: ", found.rows,
      " sessions can be read, ", row.sessions.rows,
      " were written, or others. backpropd check tells what is left; put back "
      "a copy of the data directory."));
}

}  // namespace backprop
