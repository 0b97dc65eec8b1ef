// SPDX-License-Identifier: Apache-2.0
#include "server/heap_trim.h"

#include <malloc.h>

namespace backprop {

HeapTrim::HeapTrim(std::chrono::milliseconds interval)
    : interval_(interval), thread_([this] { Run(); }) {}

HeapTrim::~HeapTrim() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void HeapTrim::SomethingFreed() {
  std::lock_guard lock(mutex_);
  if (freed_) return;
  freed_ = true;
  changed_.notify_all();
}

void HeapTrim::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return freed_ || stopping_; });
    // What goes together, goes with one trim.
    changed_.wait_for(lock, interval_, [this] { return stopping_; });
    if (stopping_) return;
    freed_ = false;
    lock.unlock();
    malloc_trim(0);
    lock.lock();
  }
}

}  // namespace backprop
