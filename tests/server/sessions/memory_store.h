// SPDX-License-Identifier: Apache-2.0
//
// A store in memory, written from store.h alone, that can be made to fail.
#ifndef BACKPROP_TESTS_SERVER_SESSIONS_MEMORY_STORE_H_
#define BACKPROP_TESTS_SERVER_SESSIONS_MEMORY_STORE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/store/store.h"
#include "server/threads/mutex.h"

namespace backprop::testing {

class MemoryStore : public Store {
 public:
  absl::StatusOr<std::vector<ChangeOutcome>> Commit(
      std::span<const SessionChange> changes) override;
  absl::StatusOr<StoredSession> Load(const std::string& id) override;
  absl::StatusOr<std::vector<StoredHead>> List(const std::string& after,
                                               size_t count) override;
  absl::StatusOr<std::string> ReadPiece(const std::string& id,
                                        uint64_t number) override;
  absl::Status Check(
      const std::function<void(std::string_view)>& /*fault*/) override {
    return absl::OkStatus();
  }
  size_t DiskBytes() override { return 0; }

  // From now on every commit fails, having done nothing; or none does.
  void Fail(bool on);
  // From now on no commit returns; or all do, and those that did not.
  void Hang(bool on);
  // Some does not return.
  bool hangs() const;
  size_t failures() const;
  // What was tried and failed: of each attempt its sessions' ids, steps and
  // pieces.
  std::vector<std::string> failed() const;

  size_t size() const;
  size_t CountOf(const std::string& id, PieceKind kind) const;
  size_t BytesOf(const std::string& id, PieceKind kind) const;
  // As if another server had taken the session.
  void SetEpoch(const std::string& id, uint64_t epoch);
  // Commits find it damaged.
  void Damage(const std::string& id);
  // Its image is no longer what was written.
  void Spoil(const std::string& id);

 private:
  struct Entry {
    SessionHead head;
    std::vector<EpochStart> epochs;
    std::map<uint64_t, Piece> pieces;
  };

  ChangeOutcome Take(const SessionChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  bool may_hang_ ABSL_GUARDED_BY(mutex_) = false;
  bool hangs_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> damaged_ ABSL_GUARDED_BY(mutex_);
  bool fails_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SESSIONS_MEMORY_STORE_H_
