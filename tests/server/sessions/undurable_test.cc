// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/undurable.h"

#include <gtest/gtest.h>

#include <thread>

namespace backprop {
namespace {

using std::chrono::milliseconds;

TEST(UndurableTest, WhatIsHeldIsCountedUntilItIsGivenBack) {
  Undurable undurable(100);
  Undurable::Share rows = undurable.NewShare();
  EXPECT_EQ(undurable.bytes(), 0u);
  rows.Set(70);
  rows.Set(30);
  EXPECT_EQ(undurable.bytes(), 30u);
  {
    auto image = undurable.HandOver(50);
    ASSERT_TRUE(image.has_value());
    EXPECT_EQ(undurable.bytes(), 80u);
    Undurable::Share moved = *std::move(image);
    EXPECT_EQ(undurable.bytes(), 80u);
    moved.Set(45);
    EXPECT_EQ(undurable.bytes(), 75u);
    EXPECT_EQ(undurable.handed_over(), 45u);
  }
  EXPECT_EQ(undurable.bytes(), 30u);
  EXPECT_EQ(undurable.handed_over(), 0u);
  rows = Undurable::Share();
  EXPECT_EQ(undurable.bytes(), 0u);
}

TEST(UndurableTest, RowsAreCountedByThePageAndChangesAsTheyAre) {
  Undurable undurable(1 << 20);
  Undurable::Share rows = undurable.NewShare();
  rows.Set(4095);
  EXPECT_EQ(undurable.bytes(), 0u);
  rows.Set(5000);
  EXPECT_EQ(undurable.bytes(), 5000u);
  rows.Set(9095);
  EXPECT_EQ(undurable.bytes(), 5000u);
  rows.Set(9096);
  EXPECT_EQ(undurable.bytes(), 9096u);
  rows.Set(9000);
  EXPECT_EQ(undurable.bytes(), 9096u);
  rows.Set(0);
  EXPECT_EQ(undurable.bytes(), 0u);
  auto change = undurable.HandOver(10);
  ASSERT_TRUE(change.has_value());
  change->Set(11);
  EXPECT_EQ(undurable.bytes(), 11u);
}

TEST(UndurableTest, OnlyTheFirstThatIsHandedOverMayBeBeyondTheLimit) {
  Undurable undurable(100);
  Undurable::Share rows = undurable.NewShare();
  rows.Set(1000);  // not handed over
  auto huge = undurable.HandOver(200);
  ASSERT_TRUE(huge.has_value());
  EXPECT_FALSE(undurable.HandOver(1).has_value());
  EXPECT_TRUE(undurable.HandOver(0).has_value());
  *huge = Undurable::Share();
  const auto half = undurable.HandOver(60);
  EXPECT_FALSE(undurable.HandOver(41).has_value());
  EXPECT_TRUE(undurable.HandOver(40).has_value());
}

TEST(UndurableTest, WhatNobodyAskedForFindsRoomWhileTheStoreWorks) {
  Undurable undurable(100);
  undurable.BeginAttempt(0);
  const auto most = undurable.HandOverUnasked(90);
  EXPECT_TRUE(undurable.HandOverUnasked(11).has_value());
  EXPECT_EQ(undurable.handed_over(), 90u);
  undurable.EndAttempt(false);
  EXPECT_FALSE(undurable.HandOverUnasked(11).has_value());
  EXPECT_TRUE(undurable.HandOverUnasked(10).has_value());
  EXPECT_TRUE(undurable.HandOverUnasked(0).has_value());
}

TEST(UndurableTest, ItIsFullOnlyWhereTheStoreFails) {
  Undurable undurable(100);
  Undurable::Share rows = undurable.NewShare();
  rows.Set(100);
  EXPECT_FALSE(undurable.IsFull());
  undurable.BeginAttempt(100);
  EXPECT_FALSE(undurable.IsFull());
  undurable.EndAttempt(false);
  EXPECT_TRUE(undurable.IsFull());
  rows.Set(99);
  EXPECT_FALSE(undurable.IsFull());
  rows.Set(100);
  undurable.BeginAttempt(100);
  EXPECT_TRUE(undurable.IsFull());
  undurable.EndAttempt(true);
  EXPECT_FALSE(undurable.IsFull());
}

TEST(UndurableTest, AStoreThatDoesNotAnswerFails) {
  Undurable undurable(1, {.least = milliseconds(5)});
  Undurable::Share rows = undurable.NewShare();
  rows.Set(1);
  undurable.BeginAttempt(1);
  for (int i = 0; i < 10'000 && !undurable.IsFull(); ++i) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_TRUE(undurable.IsFull());
  undurable.EndAttempt(true);
  EXPECT_FALSE(undurable.IsFull());
}

TEST(UndurableTest, AStoreThatIsGivenMuchHasLonger) {
  Undurable undurable(1, {.least = milliseconds(1), .bytes_a_second = 1000});
  Undurable::Share rows = undurable.NewShare();
  rows.Set(1);
  undurable.BeginAttempt(1'000'000);
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(undurable.IsFull());
}

}  // namespace
}  // namespace backprop
