// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

// SQLite's largest page: its own calls write no more at once, and the usual VFS
// takes no more than twice that.
constexpr int kRewrittenAtOnce = 1 << 16;

absl::StatusCode StatusCodeOf(int code) {
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL:
      return absl::StatusCode::kUnavailable;
    case SQLITE_NOMEM:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CONSTRAINT:
      return absl::StatusCode::kAlreadyExists;
    case SQLITE_TOOBIG:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string Advice(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return ": make space on the disk";
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
      return ": see to the disk and to the rights in the folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ": another process has it, such as the sqlite3 shell; end that";
    case SQLITE_CORRUPT:
      return ": the file is damaged; backpropd check says where";
    case SQLITE_NOTADB:
      return ": it is no database, or damaged from its beginning on; put back "
             "a "
             "copy of it";
    default:
      return "";
  }
}

// Of the call on this connection, to the database at path, that has just
// answered code.
absl::Status StatusOf(sqlite3* database, const char* path, int code) {
  const int system_error = sqlite3_system_errno(database);
  std::string text =
      absl::StrCat(path, ": ", sqlite3_errmsg(database), " (SQLite's error ",
                   sqlite3_extended_errcode(database));
  if ((code & 0xFF) != SQLITE_CONSTRAINT && system_error != 0) {
    absl::StrAppend(&text, ", ", strerror(system_error));
  }
  absl::StrAppend(&text, ")", Advice(code));
  return absl::Status(StatusCodeOf(code), text);
}

absl::Status StatusOf(sqlite3* database, int code) {
  return StatusOf(database, sqlite3_db_filename(database, "main"), code);
}

// As a bound text or blob: empty ones too are not NULL.
const char* NeverNull(std::string_view bytes) {
  return bytes.data() == nullptr ? "" : bytes.data();
}

int CountLogPages(void* log_pages, sqlite3*, const char*, int pages) {
  *static_cast<size_t*>(log_pages) = static_cast<size_t>(pages);
  return SQLITE_OK;
}

// All of the file's bytes. SQLite's code of the call that fails.
int Rewrite(sqlite3_file& file) {
  sqlite3_int64 size = 0;
  if (int code = file.pMethods->xFileSize(&file, &size); code != SQLITE_OK) {
    return code;
  }
  std::vector<char> bytes(kRewrittenAtOnce);
  for (sqlite3_int64 at = 0; at < size;) {
    const auto count =
        static_cast<int>(std::min<sqlite3_int64>(size - at, kRewrittenAtOnce));
    int code = file.pMethods->xRead(&file, bytes.data(), count, at);
    if (code != SQLITE_OK) return code;
    code = file.pMethods->xWrite(&file, bytes.data(), count, at);
    if (code != SQLITE_OK) return code;
    at += count;
  }
  return file.pMethods->xSync(&file, SQLITE_SYNC_NORMAL);
}

}  // namespace

SqliteRows::SqliteRows(sqlite3_stmt* statement, int bind_error)
    : statement_(statement) {
  if (bind_error != SQLITE_OK) {
    status_ = StatusOf(sqlite3_db_handle(statement_), bind_error);
  }
}

SqliteRows::SqliteRows(SqliteRows&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)),
      status_(std::move(other.status_)) {}

SqliteRows::~SqliteRows() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool SqliteRows::Next() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    status_ = StatusOf(sqlite3_db_handle(statement_), code);
  }
  return false;
}

uint64_t SqliteRows::Integer(int column) const {
  return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
}

std::string_view SqliteRows::Bytes(int column) const {
  const void* const bytes = sqlite3_column_blob(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

void SqliteStatement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

int SqliteStatement::Bind(int index, uint64_t value) {
  return sqlite3_bind_int64(statement_.get(), index,
                            static_cast<int64_t>(value));
}

int SqliteStatement::Bind(int index, std::string_view text) {
  return sqlite3_bind_text64(statement_.get(), index, NeverNull(text),
                             text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

int SqliteStatement::Bind(int index, SqliteBlob blob) {
  return sqlite3_bind_blob64(statement_.get(), index, NeverNull(blob.bytes),
                             blob.bytes.size(), SQLITE_STATIC);
}

size_t SqliteStatement::Changed() const {
  return static_cast<size_t>(
      sqlite3_changes64(sqlite3_db_handle(statement_.get())));
}

void SqliteDatabase::Closer::operator()(sqlite3* database) const {
  sqlite3_close(database);
}

SqliteDatabase::SqliteDatabase(sqlite3* database)
    : log_pages_(std::make_unique<size_t>(0)), database_(database) {
  sqlite3_extended_result_codes(database, 1);
  // It takes the place of SQLite's own, which makes checkpoints.
  sqlite3_wal_hook(database, &CountLogPages, log_pages_.get());
  KeepLogAtClose(true);
}

absl::StatusOr<SqliteDatabase> SqliteDatabase::Open(const std::string& path,
                                                    Missing missing) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (missing == Missing::kIsMade) flags |= SQLITE_OPEN_CREATE;
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  if (opened == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": no memory to open it"));
  }
  SqliteDatabase database(opened);
  if (code != SQLITE_OK) return StatusOf(opened, path.c_str(), code);
  return database;
}

absl::Status SqliteDatabase::Execute(const std::string& sql) {
  const int code =
      sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : StatusOf(database_.get(), code);
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(
    const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      database_.get(), sql.c_str(), static_cast<int>(sql.size()) + 1,
      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return StatusOf(database_.get(), code);
  return SqliteStatement(statement);
}

absl::StatusOr<uint64_t> SqliteDatabase::ReadInteger(const std::string& sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  SqliteRows rows = statement->Run();
  if (rows.Next()) return rows.Integer(0);
  if (!rows.status().ok()) return rows.status();
  return absl::DataLossError(absl::StrCat("no row answers ", sql));
}

absl::StatusOr<std::string> SqliteDatabase::ReadText(const std::string& sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  SqliteRows rows = statement->Run();
  if (rows.Next()) return std::string(rows.Bytes(0));
  if (!rows.status().ok()) return rows.status();
  return absl::DataLossError(absl::StrCat("no row answers ", sql));
}

void SqliteDatabase::WaitForLocks(std::chrono::milliseconds longest) {
  sqlite3_busy_timeout(database_.get(), static_cast<int>(longest.count()));
}

absl::StatusOr<SqliteDatabase::Checkpointed> SqliteDatabase::Checkpoint() {
  return CheckpointAs(SQLITE_CHECKPOINT_PASSIVE);
}

absl::StatusOr<SqliteDatabase::Checkpointed> SqliteDatabase::EmptyLog() {
  return CheckpointAs(SQLITE_CHECKPOINT_TRUNCATE);
}

absl::StatusOr<SqliteDatabase::Checkpointed> SqliteDatabase::CheckpointAs(
    int mode) {
  int pages = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_.get(), "main", mode, &pages, &copied);
  // Busy: a reader still needs the log, which does not keep pages from being
  // copied.
  if (code != SQLITE_OK && (code != SQLITE_BUSY || pages < 0)) {
    return StatusOf(database_.get(), code);
  }
  if (code == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) *log_pages_ = 0;
  return Checkpointed{static_cast<size_t>(pages), static_cast<size_t>(copied)};
}

absl::Status SqliteDatabase::RewriteLog() {
  // So that nobody else writes to the log.
  if (absl::Status s = Execute("BEGIN IMMEDIATE"); !s.ok()) return s;
  absl::Status rewritten = RewriteLogFile();
  absl::Status ended = Execute("ROLLBACK");
  return rewritten.ok() ? ended : rewritten;
}

absl::Status SqliteDatabase::RewriteLogFile() {
  sqlite3_file* log = nullptr;
  const int code = sqlite3_file_control(database_.get(), "main",
                                        SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code != SQLITE_OK) return StatusOf(database_.get(), code);
  // None: nothing was ever logged.
  if (log == nullptr || log->pMethods == nullptr) return absl::OkStatus();
  const int rewritten = Rewrite(*log);
  if (rewritten == SQLITE_OK) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      sqlite3_db_filename(database_.get(), "main"),
      "-wal can't be written once more: ", sqlite3_errstr(rewritten),
      " (SQLite's error ", rewritten, ")", Advice(rewritten)));
}

void SqliteDatabase::KeepLogAtClose(bool keep) {
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                    keep ? 1 : 0, nullptr);
}

}  // namespace backprop
