// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_connections.h"

#include <chrono>
#include <utility>

#include "server/store/failpoint.h"
#include "server/store/sqlite_schema.h"

namespace backprop {
namespace {

// To so many times its length a log may grow while there is always somebody
// reading; then they are waited for, for so long.
constexpr size_t kTooLong = 4;
constexpr std::chrono::milliseconds kWaitForReaders(100);

absl::StatusOr<std::unique_ptr<SqliteDatabase>> Connect(const std::string& path,
                                                        size_t log_bytes) {
  absl::StatusOr<SqliteDatabase> database =
      ConnectToStoreFile(path, 2 * log_bytes);
  if (!database.ok()) return database.status();
  return std::make_unique<SqliteDatabase>(*std::move(database));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReadingConnection>> ReadingConnection::Open(
    const std::string& path, size_t log_bytes) {
  auto database = Connect(path, log_bytes);
  if (!database.ok()) return database.status();
  absl::Status set = (*database)->Execute("PRAGMA query_only = ON");
  if (!set.ok()) return set;
  absl::StatusOr<SqliteReader> reader = SqliteReader::Over(**database);
  if (!reader.ok()) return reader.status();
  return std::unique_ptr<ReadingConnection>(
      new ReadingConnection(*std::move(database), *std::move(reader)));
}

absl::StatusOr<std::unique_ptr<WritingConnection>> WritingConnection::Open(
    const std::string& path, size_t log_bytes) {
  auto database = Connect(path, log_bytes);
  if (!database.ok()) return database.status();
  absl::StatusOr<SqliteChangeWriter> changes =
      SqliteChangeWriter::Over(**database);
  if (!changes.ok()) return changes.status();
  absl::StatusOr<SqliteStatement> update_row = (*database)->Prepare(
      "UPDATE store SET commits = ?, next_key = ?, sessions = ?,"
      " session_hashes = ?, hash = ?");
  if (!update_row.ok()) return update_row.status();
  return std::unique_ptr<WritingConnection>(
      new WritingConnection(*std::move(database), *std::move(changes),
                            *std::move(update_row), log_bytes));
}

absl::StatusOr<StoreRow> WritingConnection::Commit(
    std::span<const SessionChange> changes, StoreRow row,
    std::vector<ChangeOutcome>& outcomes) {
  if (absl::Status s = database_->Execute("BEGIN IMMEDIATE"); !s.ok()) return s;
  MayDieAt(Failpoint::kCommitBegun);
  ++row.commits;
  for (const SessionChange& change : changes) {
    absl::StatusOr<ChangeOutcome> one = changes_.Apply(change, row);
    if (!one.ok()) return one.status();
    outcomes.push_back(*one);
  }
  absl::StatusOr<size_t> updated =
      update_row_.Execute(row.commits, row.next_key, row.sessions.rows,
                          row.sessions.hashes, HashOf(row));
  if (!updated.ok()) return updated.status();
  MayDieAt(Failpoint::kBeforeCommit);
  if (absl::Status s = database_->Execute("COMMIT"); !s.ok()) return s;
  MayDieAt(Failpoint::kAfterCommit);
  return row;
}

absl::Status WritingConnection::CopyWholeLog() {
  // Where the disk had less of the log than can be read, and the power went
  // after some of it had been copied, the next start would put that less over
  // what was copied: pages of two states.
  if (absl::Status s = database_->RewriteLog(); !s.ok()) return s;
  absl::StatusOr<SqliteDatabase::Checkpointed> copied = database_->EmptyLog();
  if (!copied.ok()) return copied.status();
  if (copied->whole()) return absl::OkStatus();
  return absl::UnavailableError(
      "another process reads the store, and keeps its log from being copied: "
      "end that");
}

absl::Status WritingConnection::CopyLongLog() {
  const size_t length = LogBytes();
  if (length < copied_at_) return absl::OkStatus();
  MayDieAt(Failpoint::kBeforeCheckpoint);
  const bool wait = length >= kTooLong * log_bytes_;
  if (wait) database_->WaitForLocks(kWaitForReaders);
  absl::StatusOr<SqliteDatabase::Checkpointed> copied =
      wait ? database_->EmptyLog() : database_->Checkpoint();
  if (wait) database_->WaitForLocks(kStoreLockWait);
  if (!copied.ok()) return copied.status();
  MayDieAt(Failpoint::kAfterCheckpoint);
  // One that is copied whole begins anew at the next commit. Where a reader
  // kept it from that, trying again at once would do no good.
  copied_at_ = copied->whole() ? log_bytes_ : length + log_bytes_;
  return absl::OkStatus();
}

size_t WritingConnection::LogBytes() const {
  return database_->log_pages() * kStorePageBytes;
}

}  // namespace backprop
