// SPDX-License-Identifier: Apache-2.0
//
// The recent deltas of one session, for those who watch it. Every piece is
// serialised once, whoever many read it, and nothing is held while nobody is
// interested. A reader keeps its own position; one that falls behind what is
// held has to start from an anchor again, so a slow one costs neither the
// training nor memory.
#ifndef BACKPROP_SERVER_SESSIONS_DELTA_FEED_H_
#define BACKPROP_SERVER_SESSIONS_DELTA_FEED_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/threads/mutex.h"

namespace backprop {

// Some steps in a row, as one serialised WatchDeltasResponse.
struct DeltaPiece {
  uint64_t base_step = 0;
  uint64_t step = 0;
  std::shared_ptr<const std::string> message;
};

// Who wants to know that there is news. Called from pool threads, one at a
// time; must be quick.
class DeltaReader {
 public:
  virtual ~DeltaReader() = default;
  virtual void OnNews() = 0;
};

class DeltaFeed : public std::enable_shared_from_this<DeltaFeed> {
 public:
  using Clock = std::chrono::steady_clock;
  // Runs a function soon, on another thread.
  using Later = std::function<void(std::function<void()>)>;

  // Whoever stops reading may come back and go on for so long: its connection
  // may have broken.
  static constexpr std::chrono::seconds kInterest{30};

  // max_bytes: of messages held; the newest piece is held however long it is.
  DeltaFeed(size_t max_bytes, Later later);
  DeltaFeed(const DeltaFeed&) = delete;
  DeltaFeed& operator=(const DeltaFeed&) = delete;

  // Turns of the session's lane only.

  // Whether what comes next has to be appended. False forgets what was held.
  bool Wanted(Clock::time_point now);
  // After Wanted was true in this turn. Wakes the readers. A piece that doesn't
  // follow on what is held makes readers of what was before it fall behind.
  void Append(DeltaPiece piece);
  // What a turn did could not be told: readers fall behind.
  void Lose(uint64_t present);
  // Says at which place what follows step `after` begins, and adds the reader
  // unless it is one already. Nothing, and no reader: not held, or within a
  // piece; never where after = present, which is the end, behind pieces of no
  // steps (the reader is told their news). REQUIRES: after ≤ present.
  std::optional<uint64_t> AddReader(std::shared_ptr<DeltaReader> reader,
                                    uint64_t after, uint64_t present);

  // Any thread.

  void RemoveReader(const DeltaReader* reader, Clock::time_point now);
  // Forgets what nobody has been interested in for kInterest.
  void Expire(Clock::time_point now);
  // The session is gone: no more pieces. Wakes the readers.
  void Close();
  bool closed() const;
  // The session's step, as far as the feed has been told.
  uint64_t present() const;

  struct Found {
    bool held = true;                 // false: the reader fell behind
    std::optional<DeltaPiece> piece;  // null: not there yet
  };
  // Places count pieces; a reader goes on with place + 1.
  Found At(uint64_t place) const;

 private:
  void Spread();  // tells the readers; on another thread
  // Begins to hold what follows that step.
  void HoldFrom(uint64_t step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is held goes, and holding begins anew after that step.
  void HoldAnewFrom(uint64_t step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasInterest(Clock::time_point now) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetUnlessWanted(Clock::time_point now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_bytes_;
  const Later later_;

  mutable Mutex mutex_;
  std::vector<std::shared_ptr<DeltaReader>> readers_ ABSL_GUARDED_BY(mutex_);
  // Null: nothing is held.
  std::unique_ptr<std::deque<DeltaPiece>> pieces_ ABSL_GUARDED_BY(mutex_);
  uint64_t present_ ABSL_GUARDED_BY(mutex_) = 0;  // the session's step
  // Deltas after this step are held.
  uint64_t held_from_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t first_place_ ABSL_GUARDED_BY(mutex_) = 0;  // of pieces_
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;          // of pieces_' messages
  Clock::time_point interest_until_ ABSL_GUARDED_BY(mutex_){};
  // A call of Spread is under way or about to be.
  bool spreading_ ABSL_GUARDED_BY(mutex_) = false;
  bool news_ ABSL_GUARDED_BY(mutex_) = false;  // since that call began
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_DELTA_FEED_H_
