// SPDX-License-Identifier: Apache-2.0
//
// What is done every few seconds. Among it: glibc keeps what is freed between
// blocks that live on, so a server that once had thousands of streams would
// hold their memory for good; some seconds after something large may have been
// freed, this gives it back.
#ifndef BACKPROP_SERVER_OPS_HOUSEKEEPING_H_
#define BACKPROP_SERVER_OPS_HOUSEKEEPING_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace backprop {

class Housekeeping {
 public:
  // tidy: called once an interval, from a thread of its own. Memory is given
  // back at most as often, which may hold up allocations for some milliseconds.
  Housekeeping(std::chrono::milliseconds interval, std::function<void()> tidy);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  // A session or a stream is gone. Any thread; cheap.
  void SomethingFreed();

 private:
  void Run();

  const std::chrono::milliseconds interval_;
  const std::function<void()> tidy_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool freed_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // constant after construction
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_HOUSEKEEPING_H_
