// SPDX-License-Identifier: Apache-2.0
#include "server/compute_pool.h"

#include <algorithm>
#include <utility>

namespace backprop {

ComputePool::ComputePool(size_t threads, std::function<void(double)> on_wait)
    : on_wait_(std::move(on_wait)) {
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
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

void ComputePool::Run() {
  Worker worker;
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
