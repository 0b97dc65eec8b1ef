// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/compute_pool.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

#include "server/sessions/worker.h"

namespace backprop {

ComputePool::ComputePool(size_t threads, std::function<void(double)> on_wait)
    : thread_count_(threads != 0
                        ? threads
                        : std::max(1u, std::thread::hardware_concurrency())),
      on_wait_(std::move(on_wait)) {
  threads_.reserve(thread_count_);
  for (size_t i = 0; i < thread_count_; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

ComputePool::~ComputePool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  work_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void ComputePool::Ready(const std::shared_ptr<Lane>& lane) {
  lane->scheduled_ = true;
  lane->ready_since_ = std::chrono::steady_clock::now();
  ready_.push_back(lane);
}

void ComputePool::Submit(const std::shared_ptr<Lane>& lane, Turn turn) {
  {
    MutexLock lock(mutex_);
    lane->turns_.push_back(std::move(turn));
    if (lane->scheduled_) return;
    Ready(lane);
  }
  work_.NotifyOne();
}

void ComputePool::SubmitNext(const std::shared_ptr<Lane>& lane, Turn turn) {
  MutexLock lock(mutex_);
  lane->turns_.push_front(std::move(turn));  // TakeNext goes on with the lane
}

namespace {

// One call of Share. Outlives it where a thread comes late, and finds nothing
// left to do.
struct SharedWork {
  SharedWork(size_t parts, const std::function<void(size_t)>& part_)
      : count(parts), part(part_) {}

  // Takes parts while there are any. part is only used while Share waits.
  void Work() {
    for (size_t i = next++; i < count; i = next++) {
      bool good = true;
      try {
        part(i);
      } catch (const std::bad_alloc&) {
        good = false;
      }
      MutexLock lock(mutex);
      failed |= !good;
      if (++done == count) all_done.NotifyAll();
    }
  }

  // Whether all went well.
  bool AwaitAll() {
    MutexLock lock(mutex);
    while (done != count) all_done.Wait(mutex);
    return !failed;
  }

  const size_t count;
  const std::function<void(size_t)>& part;
  std::atomic<size_t> next = 0;

  Mutex mutex;
  CondVar all_done;
  size_t done ABSL_GUARDED_BY(mutex) = 0;
  bool failed ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace

void ComputePool::Share(size_t count, const std::function<void(size_t)>& part) {
  const auto work = std::make_shared<SharedWork>(count, part);
  try {
    for (size_t i = 1; i < std::min(count, thread_count_); ++i) {
      Submit([work](Worker&) { work->Work(); });
    }
  } catch (const std::bad_alloc&) {
    // This thread does the rest; it must not leave before the others have.
  }
  work->Work();
  if (!work->AwaitAll()) throw std::bad_alloc();
}

bool ComputePool::TakeNext(Taken* taken) {
  MutexLock lock(mutex_);
  if (taken->lane != nullptr) {
    taken->lane->scheduled_ = false;
    if (!taken->lane->turns_.empty()) {
      Ready(taken->lane);
      // This thread takes one ready lane itself; wake another for the rest.
      if (ready_.size() > 1) work_.NotifyOne();
    }
    taken->lane.reset();
  }
  while (!stopping_ && ready_.empty()) work_.Wait(mutex_);
  if (ready_.empty()) return false;
  taken->lane = std::move(ready_.front());
  ready_.pop_front();
  taken->turn = std::move(taken->lane->turns_.front());
  taken->lane->turns_.pop_front();
  taken->ready_since = taken->lane->ready_since_;
  return true;
}

void ComputePool::Run() {
  Worker worker(this);
  Taken taken;
  while (TakeNext(&taken)) {
    const std::chrono::duration<double> waited =
        std::chrono::steady_clock::now() - taken.ready_since;
    on_wait_(waited.count());
    taken.turn(worker);
    taken.turn = nullptr;  // what it owned may be freed; not under the lock
  }
}

}  // namespace backprop
