// SPDX-License-Identifier: Apache-2.0
//
// A thread that tidies up every few seconds: it calls what it was given, and
// gives freed memory back to the system.
//
// The second is needed because glibc keeps the memory that is freed between
// blocks which live on. A server that once had thousands of streams would hold
// their memory for good. Some seconds after a session or a stream has gone, the
// thread has glibc give such memory back (malloc_trim).
#ifndef BACKPROP_SERVER_OPS_HOUSEKEEPING_H_
#define BACKPROP_SERVER_OPS_HOUSEKEEPING_H_

#include <chrono>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "server/threads/mutex.h"

namespace backprop {

class Housekeeping {
 public:
  // tidy: called once an interval, from the object's own thread. Memory is
  // given back at most as often, which may hold up allocations for some
  // milliseconds.
  Housekeeping(std::chrono::milliseconds interval, std::function<void()> tidy);
  // As Stop.
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  // A session or a stream is gone. Any thread; cheap.
  void SomethingFreed();

  // Joins the thread: nothing is tidied after this.
  void Stop();

 private:
  void Run();
  // Sleeps for an interval. False: the thread is to end.
  bool Sleep();
  // Whether anything has been freed since the call before.
  bool TakeFreed();

  const std::chrono::milliseconds interval_;
  const std::function<void()> tidy_;

  Mutex mutex_;
  CondVar changed_;
  bool freed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  // Constant after construction. Last, as it uses the rest.
  std::thread thread_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_HOUSEKEEPING_H_
