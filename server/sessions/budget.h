// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_SESSIONS_BUDGET_H_
#define BACKPROP_SERVER_SESSIONS_BUDGET_H_

#include <atomic>
#include <cstddef>

namespace backprop {

// A bounded amount of something that calls take while they last. Any thread.
class Budget {
 public:
  explicit Budget(size_t limit) : limit_(limit) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Returns false, having taken nothing, if less than amount is left.
  bool Take(size_t amount) {
    size_t taken = taken_.load();
    do {
      if (amount > limit_ - taken) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + amount));
    return true;
  }

  size_t limit() const { return limit_; }

  // amount: of an earlier Take.
  void Return(size_t amount) { taken_ -= amount; }

 private:
  const size_t limit_;
  std::atomic<size_t> taken_ = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_BUDGET_H_
