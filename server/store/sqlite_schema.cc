// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_schema.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "server/store/data_dir.h"
#include "server/store/failpoint.h"
#include "server/store/row_hash.h"

namespace backprop {
namespace {

struct Table {
  const char* name;
  const char* sql;
};

// As SQLite keeps them, to the letter.
constexpr Table kTables[] = {
    {"store",
     "CREATE TABLE store (\n"
     "  one INTEGER PRIMARY KEY CHECK (one = 1),\n"
     "  commits INTEGER NOT NULL,\n"
     "  next_key INTEGER NOT NULL,\n"
     "  sessions INTEGER NOT NULL,\n"
     "  session_hashes INTEGER NOT NULL,\n"
     "  hash INTEGER NOT NULL\n"
     ") STRICT"},
    {"sessions",
     "CREATE TABLE sessions (\n"
     "  id TEXT PRIMARY KEY,\n"
     "  key INTEGER NOT NULL,\n"
     "  epoch INTEGER NOT NULL,\n"
     "  step INTEGER NOT NULL,\n"
     "  epochs INTEGER NOT NULL,\n"
     "  epoch_hashes INTEGER NOT NULL,\n"
     "  pieces INTEGER NOT NULL,\n"
     "  piece_hashes INTEGER NOT NULL,\n"
     "  piece_bytes INTEGER NOT NULL,\n"
     "  hash INTEGER NOT NULL,\n"
     "  body BLOB NOT NULL\n"
     ") STRICT, WITHOUT ROWID"},
    {"epochs",
     "CREATE TABLE epochs (\n"
     "  session INTEGER NOT NULL,\n"
     "  epoch INTEGER NOT NULL,\n"
     "  first_step INTEGER NOT NULL,\n"
     "  PRIMARY KEY (session, epoch)\n"
     ") STRICT, WITHOUT ROWID"},
    {"pieces",
     "CREATE TABLE pieces (\n"
     "  session INTEGER NOT NULL,\n"
     "  number INTEGER NOT NULL,\n"
     "  kind INTEGER NOT NULL,\n"
     "  base_step INTEGER NOT NULL,\n"
     "  step INTEGER NOT NULL,\n"
     "  first_number INTEGER NOT NULL,\n"
     "  bytes_hash INTEGER NOT NULL,\n"
     "  hash INTEGER NOT NULL,\n"
     "  bytes BLOB NOT NULL,\n"
     "  PRIMARY KEY (session, number)\n"
     ") STRICT, WITHOUT ROWID"},
};

// The distribution's SQLite overwrites what is deleted with zeros, which would
// be written as the rest is, unless it is told not to.
constexpr char kSettings[] =
    "PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = OFF;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA cache_size = -16384;";

absl::Status FillStoreFile(const std::string& path) {
  absl::StatusOr<SqliteDatabase> database =
      SqliteDatabase::Open(path, SqliteDatabase::Missing::kIsMade);
  if (!database.ok()) return database.status();
  std::string sql =
      absl::StrCat("PRAGMA page_size = ", kStorePageBytes,
                   "; PRAGMA auto_vacuum = NONE; PRAGMA synchronous = FULL; "
                   "BEGIN IMMEDIATE; PRAGMA application_id = ",
                   kStoreApplicationId,
                   "; PRAGMA user_version = ", kStoreSchemaVersion, ";");
  for (const Table& table : kTables) absl::StrAppend(&sql, table.sql, ";");
  const StoreRow empty;
  absl::StrAppend(&sql, "INSERT INTO store VALUES (1, 0, ", empty.next_key,
                  ", 0, 0, ", static_cast<int64_t>(HashOf(empty)),
                  "); COMMIT;");
  return database->Execute(sql);
}

absl::Status FileError(const std::string& doing, const std::string& path,
                       int error) {
  return absl::UnavailableError(
      absl::StrCat("can't ", doing, " ", path, ": ",
                   std::generic_category().message(error)));
}

absl::Status Foreign(const std::string& path, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is no store of backpropd, or is damaged: ", what,
      ". Choose another --data-dir, or put back a copy of that file."));
}

absl::Status CheckVersion(SqliteDatabase& database, const std::string& path) {
  absl::StatusOr<uint64_t> id = database.ReadInteger("PRAGMA application_id");
  if (!id.ok()) return id.status();
  if (*id != kStoreApplicationId) {
    return Foreign(
        path, absl::StrCat("its application_id is ", static_cast<int64_t>(*id),
                           ", not ", kStoreApplicationId));
  }
  absl::StatusOr<uint64_t> version =
      database.ReadInteger("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version == kStoreSchemaVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path, " has schema version ", static_cast<int64_t>(*version),
      "; this backpropd knows version ", kStoreSchemaVersion,
      ". Start the backpropd that wrote it, or choose another --data-dir."));
}

absl::Status CheckTables(SqliteDatabase& database, const std::string& path) {
  absl::StatusOr<SqliteStatement> find = database.Prepare(
      "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?");
  if (!find.ok()) return find.status();
  for (const Table& table : kTables) {
    SqliteRows rows = find->Run(std::string_view(table.name));
    const bool same = rows.Next() && rows.Bytes(0) == table.sql;
    if (!rows.status().ok()) return rows.status();
    if (!same) {
      return Foreign(path, absl::StrCat("its table ", table.name,
                                        " is missing or another"));
    }
  }
  return absl::OkStatus();
}

absl::Status TurnOnLog(SqliteDatabase& database, const std::string& path) {
  absl::StatusOr<std::string> mode =
      database.ReadText("PRAGMA journal_mode = WAL");
  if (!mode.ok()) return mode.status();
  if (*mode == "wal") return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(path, " takes no write-ahead log: SQLite stays with ", *mode,
                   ". The folder has to be on a disk of this machine."));
}

}  // namespace

std::string StoreFileIn(const std::string& data_dir) {
  return absl::StrCat(data_dir, "/sessions.db");
}

absl::Status MakeStoreFile(const std::string& path) {
  // A log without its database: that has not been deleted by us.
  struct stat found;
  if (stat(absl::StrCat(path, "-wal").c_str(), &found) == 0) {
    return absl::DataLossError(absl::StrCat(
        path, " is gone, but its log ", path,
        "-wal is there: put the file back, or remove the log too"));
  }
  const std::string unfinished = absl::StrCat(path, ".new");
  std::remove(absl::StrCat(unfinished, "-journal").c_str());
  std::remove(unfinished.c_str());
  absl::Status filled = FillStoreFile(unfinished);
  if (!filled.ok()) return filled;
  MayDieAt(Failpoint::kSchemaMade);
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return FileError("rename to", path, errno);
  }
  return SyncFolder(std::filesystem::path(path).parent_path());
}

absl::StatusOr<SqliteDatabase> ConnectToStoreFile(const std::string& path,
                                                  size_t log_bytes) {
  absl::StatusOr<SqliteDatabase> database =
      SqliteDatabase::Open(path, SqliteDatabase::Missing::kFails);
  if (!database.ok()) return database;
  database->WaitForLocks(kStoreLockWait);
  if (absl::Status s = CheckVersion(*database, path); !s.ok()) return s;
  if (absl::Status s = CheckTables(*database, path); !s.ok()) return s;
  if (absl::Status s = TurnOnLog(*database, path); !s.ok()) return s;
  if (absl::Status s = database->Execute(absl::StrCat(
          kSettings, "PRAGMA journal_size_limit = ", log_bytes, ";"));
      !s.ok()) {
    return s;
  }
  return database;
}

}  // namespace backprop
