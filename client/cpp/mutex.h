// SPDX-License-Identifier: Apache-2.0
//
// The locks of the client's threads, whose rules the compiler checks: each
// field that a mutex guards says so (ABSL_GUARDED_BY), each function that needs
// it held says so (ABSL_EXCLUSIVE_LOCKS_REQUIRED), and clang's -Wthread-safety
// proves both.
//
// The same as the server's (server/threads/mutex.h, which also says why it is
// neither std::mutex nor absl::Mutex): client and server share the protocol and
// the contract of deltas, and a lock is part of neither.
#ifndef BACKPROP_CLIENT_CPP_MUTEX_H_
#define BACKPROP_CLIENT_CPP_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"

namespace backprop::client {

// Not recursive.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a mutex from here to the end of the block.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex)
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waiting for a change of what a mutex guards. A wait may end for no reason, so
// it stands in a loop over the condition: written out, not as a lambda, which
// clang would take for a function that holds nothing.
class CondVar {
 public:
  // Lets go of the mutex while it waits.
  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    changed_.wait(lock);
    lock.release();
  }

  // The same, until a moment of any clock at most. False: it has come.
  template <class Clock, class Duration>
  bool WaitUntil(Mutex& mutex,
                 std::chrono::time_point<Clock, Duration> deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool in_time =
        changed_.wait_until(lock, deadline) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }

  void NotifyOne() { changed_.notify_one(); }
  void NotifyAll() { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace backprop::client

#endif  // BACKPROP_CLIENT_CPP_MUTEX_H_
