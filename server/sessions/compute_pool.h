// SPDX-License-Identifier: Apache-2.0
//
// The threads that train. There are as many as cores, whatever the number of
// sessions, so work is handed to them in turns:
//
//   pool.Submit(session.lane(), [session](Worker& worker) {
//     …  // nobody else is at the session now
//   });
//
// Turns come in lanes, one for each session: turns of a lane run one at a time,
// in the order of their submission; lanes that have work take fair turns, one
// turn each, round and round.
#ifndef BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_
#define BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/training/crew.h"
#include "server/threads/mutex.h"

namespace backprop {

struct Worker;

// What is done in a turn, with what the thread lends. A turn must be short
// (some milliseconds): whoever has more to do submits again. It must not throw.
using Turn = std::function<void(Worker&)>;

// The order of what one session has to do. It stands in for a lock on the
// session: as turns of a lane never overlap, and each sees what those before it
// did, a turn reads and writes what belongs to the turn of its lane without any
// lock; nobody ever blocks a thread while waiting for a session. It is an
// object of its own, apart from the session, because work that belongs to none
// has a lane too.
class Lane {
 public:
  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

 private:
  friend class ComputePool;

  // Guarded by the mutex_ of the pool, which an annotation here can't name.
  std::deque<Turn> turns_;  // that wait, the next one first
  bool scheduled_ = false;  // in the pool's ready_, or a turn of it is running
  std::chrono::steady_clock::time_point ready_since_;
};

// As a crew, it shares the work of the turn that asks among threads that have
// nothing else to do. The turn's own thread takes all that no other has begun,
// so nobody waits for a thread to become free.
class ComputePool : public Crew {
 public:
  // threads: 0 for one a core. on_wait is told, from pool threads, for how many
  // seconds each turn waited.
  ComputePool(size_t threads, std::function<void(double)> on_wait);

  // Runs what was submitted, then joins.
  ~ComputePool() override;

  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  // Any thread; also from within a turn. The pool keeps lane alive while it has
  // turns.
  void Submit(const std::shared_ptr<Lane>& lane, Turn turn);

  // Only from within a turn of lane: the lane's next turn, before those that
  // wait already. For work that is too long for one turn and may not have other
  // work of its lane come between; other lanes' turns do.
  void SubmitNext(const std::shared_ptr<Lane>& lane, Turn turn);

  // A turn that belongs to no session.
  void Submit(Turn turn) { Submit(std::make_shared<Lane>(), std::move(turn)); }

  size_t size() const override { return thread_count_; }
  // Only from within a turn.
  void Share(size_t count, const std::function<void(size_t)>& part) override;

 private:
  // A turn that a thread has taken from the front of its lane.
  struct Taken {
    std::shared_ptr<Lane> lane;
    Turn turn;
    std::chrono::steady_clock::time_point ready_since;
  };

  void Run();
  // Ends *taken, if it is one, and waits for the next. False: there is none,
  // the pool stops.
  bool TakeNext(Taken* taken);
  void Ready(const std::shared_ptr<Lane>& lane)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t thread_count_;
  const std::function<void(double)> on_wait_;

  Mutex mutex_;
  CondVar work_;
  std::deque<std::shared_ptr<Lane>> ready_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_
