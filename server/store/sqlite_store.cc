// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_store.h"

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/store/change_rules.h"
#include "server/store/data_dir.h"
#include "server/store/row_hash.h"
#include "server/store/sqlite_change.h"
#include "server/store/sqlite_check.h"
#include "server/store/sqlite_connections.h"
#include "server/store/sqlite_schema.h"
#include "server/threads/mutex.h"

namespace backprop {
namespace {

class SqliteStore final : public Store {
 public:
  SqliteStore(std::string data_dir, const SqliteStoreOptions& options)
      : data_dir_(std::move(data_dir)), options_(options) {}
  // The reading connection first: the last one empties the log.
  ~SqliteStore() override { CloseReading(absl::OkStatus()); }

  // Closes what is open, opens both connections, and verifies.
  absl::Status Open();

  absl::StatusOr<std::vector<ChangeOutcome>> Commit(
      std::span<const SessionChange> changes) override;
  absl::StatusOr<StoredSession> Load(const std::string& id) override;
  absl::StatusOr<std::vector<StoredHead>> List(const std::string& after,
                                               size_t count) override;
  absl::StatusOr<std::string> ReadPiece(const std::string& id,
                                        uint64_t number) override;
  absl::Status Check(
      const std::function<void(std::string_view)>& fault) override;
  size_t DiskBytes() override;

 private:
  // A commit that failed, and may be on the disk all the same.
  struct Attempt {
    uint64_t fingerprint = 0;
    std::vector<ChangeOutcome> outcomes;
  };

  absl::Status Verify(WritingConnection& writing, ReadingConnection& reading);
  absl::Status CheckCommits(uint64_t found) const;
  void CloseReading(const absl::Status& why);
  absl::StatusOr<std::vector<ChangeOutcome>> CommitNow(
      std::span<const SessionChange> changes, uint64_t fingerprint);

  const std::string data_dir_;
  const SqliteStoreOptions options_;

  // The committing thread's, but for the closing.
  std::unique_ptr<WritingConnection> writing_;  // null after an error
  std::optional<StoreRow> row_;     // as last committed; none before opening
  std::optional<Attempt> attempt_;  // at the commit after row_

  Mutex mutex_;
  std::unique_ptr<ReadingConnection> reading_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);  // why reading_ is null
};

absl::Status SqliteStore::Open() {
  CloseReading(absl::UnavailableError(
      "the store could not be opened anew after an error: see the log"));
  writing_.reset();
  const std::string path = StoreFileIn(data_dir_);
  auto writing = WritingConnection::Open(path, options_.log_bytes);
  if (!writing.ok()) return writing.status();
  auto reading = ReadingConnection::Open(path, options_.log_bytes);
  if (!reading.ok()) return reading.status();
  if (absl::Status s = Verify(**writing, **reading); !s.ok()) return s;
  (*writing)->CopyLogAtClose();
  writing_ = *std::move(writing);
  MutexLock lock(mutex_);
  reading_ = *std::move(reading);
  return absl::OkStatus();
}

absl::Status SqliteStore::Verify(WritingConnection& writing,
                                 ReadingConnection& reading) {
  // What the log and the database say may be in the kernel's memory only, and
  // taken for clean there after a sync that failed: both are written once more.
  if (absl::Status s = writing.CopyWholeLog(); !s.ok()) return s;
  absl::StatusOr<StoreRow> row = reading.reader().ReadStoreRow();
  if (!row.ok()) return row.status();
  absl::Status sessions = reading.reader().CheckSessions(*row);
  if (!sessions.ok()) return sessions;
  if (absl::Status s = CheckCommits(row->commits); !s.ok()) return s;
  // The failed attempt is either done or has left no trace.
  if (row_.has_value() && row->commits == row_->commits) attempt_.reset();
  row_ = *row;
  return absl::OkStatus();
}

absl::Status SqliteStore::CheckCommits(uint64_t found) const {
  if (!row_.has_value() || found == row_->commits) return absl::OkStatus();
  if (attempt_.has_value() && found == row_->commits + 1) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(
      StoreFileIn(data_dir_), " tells of ", found,
      " commits where this server has made ", row_->commits,
      ": another process has written to it, or put back a copy. Restart the "
      "server."));
}

void SqliteStore::CloseReading(const absl::Status& why) {
  MutexLock lock(mutex_);
  reading_.reset();
  closed_ = why;
}

absl::StatusOr<std::vector<ChangeOutcome>> SqliteStore::Commit(
    std::span<const SessionChange> changes) {
  if (absl::Status s = CheckChanges(changes); !s.ok()) return s;
  const uint64_t fingerprint = FingerprintOf(changes);
  if (writing_ == nullptr) {
    if (absl::Status s = Open(); !s.ok()) return s;
    // Verify has left it only where it is on the disk.
    std::optional<Attempt> done = std::exchange(attempt_, std::nullopt);
    if (done.has_value() && done->fingerprint == fingerprint) {
      return std::move(done->outcomes);
    }
  }
  return CommitNow(changes, fingerprint);
}

absl::StatusOr<std::vector<ChangeOutcome>> SqliteStore::CommitNow(
    std::span<const SessionChange> changes, uint64_t fingerprint) {
  // Before anything is done: however this ends, for want of memory too, the
  // next commit opens anew and knows what it may find.
  attempt_ = Attempt{fingerprint, {}};
  absl::Cleanup close = [this] {
    writing_->KeepLogAtClose();
    writing_.reset();
  };
  absl::StatusOr<StoreRow> row =
      writing_->Commit(changes, *row_, attempt_->outcomes);
  if (!row.ok()) return row.status();
  const absl::Status copied = writing_->CopyLongLog();
  // It is done even where the log could not be copied.
  if (copied.ok()) std::move(close).Cancel();
  row_ = *row;
  std::vector<ChangeOutcome> outcomes = std::move(attempt_->outcomes);
  attempt_.reset();
  return outcomes;
}

absl::StatusOr<StoredSession> SqliteStore::Load(const std::string& id) {
  MutexLock lock(mutex_);
  if (reading_ == nullptr) return closed_;
  return reading_->reader().Load(id);
}

absl::StatusOr<std::vector<StoredHead>> SqliteStore::List(
    const std::string& after, size_t count) {
  MutexLock lock(mutex_);
  if (reading_ == nullptr) return closed_;
  return reading_->reader().List(after, count);
}

absl::StatusOr<std::string> SqliteStore::ReadPiece(const std::string& id,
                                                   uint64_t number) {
  MutexLock lock(mutex_);
  if (reading_ == nullptr) return closed_;
  return reading_->reader().ReadPiece(id, number);
}

absl::Status SqliteStore::Check(
    const std::function<void(std::string_view)>& fault) {
  return CheckSqliteStore(data_dir_, fault);
}

size_t SqliteStore::DiskBytes() {
  size_t bytes = 0;
  for (const char* const ending : {"", "-wal", "-shm"}) {
    struct stat found;
    const std::string file = absl::StrCat(StoreFileIn(data_dir_), ending);
    if (stat(file.c_str(), &found) == 0) bytes += found.st_size;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(
    const std::string& data_dir, const SqliteStoreOptions& options) {
  if (absl::Status s = MakeFolder(data_dir); !s.ok()) return s;
  std::error_code error;
  const std::string path = StoreFileIn(data_dir);
  const bool there = std::filesystem::exists(path, error);
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("can't look for ", path, ": ", error.message()));
  }
  if (!there) {
    if (absl::Status s = MakeStoreFile(path); !s.ok()) return s;
  }
  auto store = std::make_unique<SqliteStore>(data_dir, options);
  if (absl::Status s = store->Open(); !s.ok()) return s;
  return store;
}

}  // namespace backprop
