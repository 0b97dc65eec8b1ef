// SPDX-License-Identifier: Apache-2.0
#include "server/ops/housekeeping.h"

#include <malloc.h>

#include <utility>

namespace backprop {

Housekeeping::Housekeeping(std::chrono::milliseconds interval,
                           std::function<void()> tidy)
    : interval_(interval), tidy_(std::move(tidy)), thread_([this] { Run(); }) {}

Housekeeping::~Housekeeping() { Stop(); }

void Housekeeping::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void Housekeeping::SomethingFreed() {
  MutexLock lock(mutex_);
  freed_ = true;
}

bool Housekeeping::TakeFreed() {
  MutexLock lock(mutex_);
  return std::exchange(freed_, false);
}

bool Housekeeping::Sleep() {
  const auto until = std::chrono::steady_clock::now() + interval_;
  MutexLock lock(mutex_);
  while (!stopping_ && changed_.WaitUntil(mutex_, until)) {
  }
  return !stopping_;
}

void Housekeeping::Run() {
  while (Sleep()) {
    tidy_();
    if (TakeFreed()) malloc_trim(0);
  }
}

}  // namespace backprop
