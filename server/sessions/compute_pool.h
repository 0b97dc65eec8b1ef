// SPDX-License-Identifier: Apache-2.0
//
// The threads that train. Work comes in lanes, one for each session: turns of a
// lane run one at a time, in the order of their submission; lanes that have
// work take fair turns, one turn each, round and round.
#ifndef BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_
#define BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/network/predictor.h"
#include "engine/training/trainer.h"

namespace backprop {

// What a pool thread owns and lends to the turn it runs: scratch memory, so
// that a session that does nothing costs its weights and little more.
struct Worker {
  // crew: as Trainer's.
  explicit Worker(Crew* crew = nullptr) : trainer(crew) {}

  Trainer trainer;
  Predictor predictor;
  std::vector<float> inputs;   // panel of input rows
  std::vector<float> targets;  // panel of target rows
  std::vector<float> errors;
  std::vector<float> deltas;
  std::vector<float> full_deltas;
  std::vector<float> scalars;
  std::vector<float> gradient_norms;
  std::vector<float> outputs;
};

// The panel's first `size` numbers. It grows and never shrinks: panels belong
// to the thread.
inline std::span<float> Panel(std::vector<float>& panel, size_t size) {
  if (panel.size() < size) panel.resize(size);
  return {panel.data(), size};
}

// A turn must be short (some milliseconds): whoever has more to do submits
// again. It must not throw.
using Turn = std::function<void(Worker&)>;

class Lane {
 public:
  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

 private:
  friend class ComputePool;

  // Guarded by the pool's mutex.
  std::deque<Turn> turns_;
  bool scheduled_ = false;  // in ready_, or running
  std::chrono::steady_clock::time_point ready_since_;
};

class ComputePool : private Crew {
 public:
  // threads: 0 for one a core. on_wait is told, from pool threads, for how many
  // seconds each turn waited.
  ComputePool(size_t threads, std::function<void(double)> on_wait);

  // Runs what was submitted, then joins.
  ~ComputePool();

  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  // Any thread; also from within a turn. The pool keeps lane alive while it has
  // turns.
  void Submit(const std::shared_ptr<Lane>& lane, Turn turn);

  // Only from within a turn of lane: the lane's next turn, before those that
  // wait already. For work that is too long for one turn and may not have other
  // work of its lane come between; other lanes' turns do.
  void SubmitNext(const std::shared_ptr<Lane>& lane, Turn turn);

  // Shares the work of the turn that asks, among threads that have nothing else
  // to do. The turn's own thread takes all that no other has begun, so nobody
  // waits for a thread. Only from within a turn.
  Crew& crew() { return *this; }

  // A turn that belongs to no session.
  void Submit(Turn turn) { Submit(std::make_shared<Lane>(), std::move(turn)); }

 private:
  void Run();

  size_t size() const override { return thread_count_; }
  void Share(size_t count, const std::function<void(size_t)>& part) override;

  const size_t thread_count_;
  const std::function<void(double)> on_wait_;

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::shared_ptr<Lane>> ready_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_

  std::vector<std::thread> threads_;  // constant after construction
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_COMPUTE_POOL_H_
