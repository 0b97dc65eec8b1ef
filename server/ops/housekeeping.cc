// SPDX-License-Identifier: Apache-2.0
#include "server/ops/housekeeping.h"

#include <malloc.h>

#include <utility>

namespace backprop {

Housekeeping::Housekeeping(std::chrono::milliseconds interval,
                           std::function<void()> tidy)
    : interval_(interval), tidy_(std::move(tidy)), thread_([this] { Run(); }) {}

Housekeeping::~Housekeeping() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Housekeeping::SomethingFreed() {
  std::lock_guard lock(mutex_);
  freed_ = true;
}

void Housekeeping::Run() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, interval_, [this] { return stopping_; })) {
    const bool freed = std::exchange(freed_, false);
    lock.unlock();
    tidy_();
    if (freed) malloc_trim(0);
    lock.lock();
  }
}

}  // namespace backprop
