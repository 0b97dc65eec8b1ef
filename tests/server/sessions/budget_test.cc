// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

namespace backprop {
namespace {

TEST(BudgetTest, GivesWhatItHasAndNoMore) {
  Budget budget(10);
  EXPECT_TRUE(budget.Take(0));
  EXPECT_TRUE(budget.Take(7));
  EXPECT_FALSE(budget.Take(4));
  EXPECT_FALSE(budget.Take(std::numeric_limits<size_t>::max()));
  EXPECT_TRUE(budget.Take(3));
  EXPECT_FALSE(budget.Take(1));
  budget.Return(7);
  EXPECT_TRUE(budget.Take(7));
  EXPECT_FALSE(budget.Take(1));
}

TEST(BudgetTest, ThreadsNeverHoldMoreThanThereIs) {
  constexpr size_t kLimit = 5;
  Budget budget(kLimit);
  std::atomic<size_t> held = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, amount = t % 3 + 1] {
      for (int i = 0; i < 20'000; ++i) {
        if (!budget.Take(amount)) continue;
        EXPECT_LE(held += amount, kLimit);
        held -= amount;
        budget.Return(amount);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(budget.Take(kLimit)) << "something was not given back";
}

}  // namespace
}  // namespace backprop
