// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/compute_pool.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

namespace backprop {

ComputePool::ComputePool(size_t threads, std::function<void(double)> on_wait)
    : thread_count_(threads != 0
                        ? threads
                        : std::max(1u, std::thread::hardware_concurrency())),
      on_wait_(std::move(on_wait)) {
  threads_.reserve(thread_count_);
  for (size_t i = 0; i < thread_count_; ++i)
    threads_.emplace_back([this] { Run(); });
}

ComputePool::~ComputePool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ComputePool::Submit(const std::shared_ptr<Lane>& lane, Turn turn) {
  {
    std::lock_guard lock(mutex_);
    lane->turns_.push_back(std::move(turn));
    if (lane->scheduled_) return;
    lane->scheduled_ = true;
    lane->ready_since_ = std::chrono::steady_clock::now();
    ready_.push_back(lane);
  }
  work_.notify_one();
}

void ComputePool::SubmitNext(const std::shared_ptr<Lane>& lane, Turn turn) {
  std::lock_guard lock(mutex_);
  lane->turns_.push_front(std::move(turn));  // Run goes on with the lane
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
      std::lock_guard lock(mutex);
      failed |= !good;
      if (++done == count) all_done.notify_all();
    }
  }

  // Whether all went well.
  bool AwaitAll() {
    std::unique_lock lock(mutex);
    all_done.wait(lock, [this] { return done == count; });
    return !failed;
  }

  const size_t count;
  const std::function<void(size_t)>& part;
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  std::condition_variable all_done;
  size_t done = 0;      // guarded by mutex
  bool failed = false;  // guarded by mutex
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

void ComputePool::Run() {
  Worker worker(this);
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const std::shared_ptr<Lane> lane = std::move(ready_.front());
    ready_.pop_front();
    Turn turn = std::move(lane->turns_.front());
    lane->turns_.pop_front();
    const auto ready_since = lane->ready_since_;
    lock.unlock();

    const std::chrono::duration<double> waited =
        std::chrono::steady_clock::now() - ready_since;
    on_wait_(waited.count());
    turn(worker);
    turn = nullptr;  // what it owned may be freed; not under the lock

    lock.lock();
    lane->scheduled_ = !lane->turns_.empty();
    if (lane->scheduled_) {
      lane->ready_since_ = std::chrono::steady_clock::now();
      ready_.push_back(lane);
      // This thread takes one ready lane itself; wake another for the rest.
      if (ready_.size() > 1) work_.notify_one();
    }
  }
}

}  // namespace backprop
