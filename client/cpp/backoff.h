// SPDX-License-Identifier: Apache-2.0
//
// How long to wait before something is tried again, and when to give up:
// exponential backoff with full jitter, so that many clients of one server that
// went away do not all come back at once. Time and chance are given, so that
// tests take none.
#ifndef BACKPROP_CLIENT_CPP_BACKOFF_H_
#define BACKPROP_CLIENT_CPP_BACKOFF_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "client/cpp/mutex.h"

namespace backprop {

// Before attempt n = 1, 2, 3 … after a failure the client waits a random time
// between 0 and min(longest, first · 2^(n − 1)).
struct RetryPolicy {
  std::chrono::milliseconds first{100};
  std::chrono::milliseconds longest = std::chrono::seconds(2);
  // No attempt begins later than this after the first failure; 0: nothing is
  // tried again. A stream that was answered, or held for longer than `longest`,
  // is no failure: when it breaks the time begins anew.
  std::chrono::milliseconds within = std::chrono::seconds(60);
};

// What waits between two attempts.
class RetryClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~RetryClock() = default;
  virtual TimePoint Now() = 0;
  // Lets go of the mutex until that moment, or until `changed` is notified.
  virtual void WaitUntil(client::Mutex& mutex, client::CondVar& changed,
                         TimePoint moment)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

// The machine's.
std::shared_ptr<RetryClock> SystemRetryClock();

// Numbers in [0, 1), other ones in each process.
std::function<double()> SystemJitter();

// Counts the attempts at one thing.
class Backoff {
 public:
  using TimePoint = RetryClock::TimePoint;

  // jitter: gives numbers in [0, 1).
  Backoff(const RetryPolicy& policy, std::function<double()> jitter);

  // Something failed now. When to try again; none: enough was tried.
  std::optional<TimePoint> Next(TimePoint now);
  // Begins the count anew.
  void Succeeded() { failures_ = 0; }

 private:
  // Constant after construction.
  const RetryPolicy policy_;
  const std::function<double()> jitter_;

  int failures_ = 0;
  TimePoint last_;  // where failures_ is not 0: no attempt begins after it
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_BACKOFF_H_
