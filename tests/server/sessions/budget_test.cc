// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace backprop {
namespace {

using Reservation = Budget::Reservation;

TEST(BudgetTest, GivesWhatItHasAndNoMore) {
  Budget budget(10);
  const auto nothing = budget.Reserve(0);
  EXPECT_TRUE(nothing.has_value());
  auto seven = budget.Reserve(7);
  EXPECT_TRUE(seven.has_value());
  EXPECT_FALSE(budget.Reserve(4).has_value());
  EXPECT_FALSE(budget.Reserve(std::numeric_limits<size_t>::max()).has_value());
  const auto three = budget.Reserve(3);
  EXPECT_TRUE(three.has_value());
  EXPECT_FALSE(budget.Reserve(1).has_value());
  seven.reset();
  const auto again = budget.Reserve(7);
  EXPECT_TRUE(again.has_value());
  EXPECT_FALSE(budget.Reserve(1).has_value());
}

TEST(BudgetTest, WhatIsMovedIsGivenBackOnce) {
  Budget budget(10);
  {
    Reservation first = budget.Reserve(6).value();
    Reservation second = std::move(first);
    EXPECT_EQ(second.amount(), 6u);
    EXPECT_EQ(first.amount(), 0u);  // NOLINT(bugprone-use-after-move)
    EXPECT_FALSE(budget.Reserve(5).has_value());
  }
  EXPECT_TRUE(budget.Reserve(10).has_value());
}

TEST(BudgetTest, AssigningGivesBackWhatWasHeldBefore) {
  Budget budget(10);
  Reservation held = budget.Reserve(6).value();
  held = budget.Reserve(4).value();
  EXPECT_EQ(held.amount(), 4u);
  EXPECT_TRUE(budget.Reserve(6).has_value());
  held = {};
  EXPECT_EQ(held.amount(), 0u);
  EXPECT_TRUE(budget.Reserve(10).has_value());
}

TEST(BudgetTest, GrowsWithinWhatIsLeft) {
  Budget budget(10);
  Reservation held = budget.Reserve(6).value();
  EXPECT_TRUE(held.GrowTo(5));
  EXPECT_EQ(held.amount(), 6u);
  EXPECT_FALSE(held.GrowTo(11));
  EXPECT_EQ(held.amount(), 6u);
  EXPECT_TRUE(held.GrowTo(9));
  EXPECT_EQ(held.amount(), 9u);
  EXPECT_FALSE(budget.Reserve(2).has_value());
  held = {};
  EXPECT_TRUE(budget.Reserve(10).has_value());
  EXPECT_TRUE(Reservation().GrowTo(100));  // which is of no budget
}

TEST(BudgetTest, ShrinkingGivesBackTheRestAndNeverGrows) {
  Budget budget(10);
  Reservation held = budget.Reserve(8).value();
  held.ShrinkTo(9);
  EXPECT_EQ(held.amount(), 8u);
  held.ShrinkTo(3);
  EXPECT_EQ(held.amount(), 3u);
  const auto seven = budget.Reserve(7);
  EXPECT_TRUE(seven.has_value());
  EXPECT_FALSE(budget.Reserve(1).has_value());
}

TEST(BudgetTest, AReservationMayOutliveItsBudget) {
  auto budget = std::make_unique<Budget>(10);
  const Reservation held = budget->Reserve(6).value();
  budget.reset();
  EXPECT_EQ(held.amount(), 6u);
}

TEST(BudgetTest, ThreadsNeverHoldMoreThanThereIs) {
  constexpr size_t kLimit = 5;
  Budget budget(kLimit);
  std::atomic<size_t> held = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, amount = t % 3 + 1] {
      for (int i = 0; i < 20'000; ++i) {
        const auto reserved = budget.Reserve(amount);
        if (!reserved.has_value()) continue;
        EXPECT_LE(held += amount, kLimit);
        held -= amount;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(budget.Reserve(kLimit).has_value())
      << "something was not given back";
}

}  // namespace
}  // namespace backprop
