// SPDX-License-Identifier: Apache-2.0
//
// glibc keeps what is freed between blocks that live on: a server that once had
// thousands of streams would hold their memory for good. Some seconds after
// something large may have been freed, this gives it back.
#ifndef BACKPROP_SERVER_HEAP_TRIM_H_
#define BACKPROP_SERVER_HEAP_TRIM_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace backprop {

class HeapTrim {
 public:
  // interval: the shortest time between two trims, each of which may hold up
  // allocations for some milliseconds.
  explicit HeapTrim(std::chrono::milliseconds interval);
  ~HeapTrim();
  HeapTrim(const HeapTrim&) = delete;
  HeapTrim& operator=(const HeapTrim&) = delete;

  // A session or a stream is gone. Any thread; cheap.
  void SomethingFreed();

 private:
  void Run();

  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool freed_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // constant after construction
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_HEAP_TRIM_H_
