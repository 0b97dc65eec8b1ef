// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/held_answers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace backprop {
namespace {

constexpr HeldRoom kMuch{.session_bytes = 1 << 20};
constexpr size_t kLength = 1000;
constexpr size_t kOne = kLength + HeldAnswers::kAnswerBytes;
constexpr AppliedMessage kFirst{.offset = 10, .count = 8, .hash = 7};
constexpr AppliedMessage kSecond{.offset = 18, .count = 4, .hash = 8};

// An answer that says of itself what it is about.
HeldAnswer Answer(const AppliedMessage& message, uint64_t next_offset) {
  std::string bytes = std::to_string(next_offset);
  bytes.resize(kLength, '.');
  return {message, next_offset,
          std::make_shared<const std::string>(std::move(bytes))};
}

// [10, 14) and [14, 18) of the first message, all of the second.
void Fill(HeldAnswers& held, const HeldRoom& room = kMuch) {
  held.Use(1, {});
  held.Add(10, Answer(kFirst, 14), room);
  held.Add(14, Answer(kFirst, 18), room);
  held.Add(18, Answer(kSecond, 22), room);
}

TEST(HeldAnswersTest, AMessageIsCoveredAsFarAsItsAnswersGo) {
  HeldAnswers held;
  EXPECT_FALSE(held.Cover(kFirst, 14));
  held.Add(10, Answer(kFirst, 14), kMuch);
  EXPECT_TRUE(held.Cover(kFirst, 14));
  EXPECT_FALSE(held.Cover(kFirst, 18));
  held.Add(14, Answer(kFirst, 18), kMuch);
  EXPECT_TRUE(held.Cover(kFirst, 18));
  EXPECT_EQ(held.At(14).next_offset, 18u);
  EXPECT_EQ(*held.At(14).bytes, *Answer(kFirst, 18).bytes);
}

TEST(HeldAnswersTest, OnlyTheMessageItselfIs) {
  HeldAnswers held;
  Fill(held);
  EXPECT_TRUE(held.Cover(kSecond, 22));
  for (const AppliedMessage& other :
       {AppliedMessage{.offset = 10, .count = 8, .hash = 6},
        AppliedMessage{.offset = 10, .count = 12, .hash = 7},
        AppliedMessage{.offset = 14, .count = 8, .hash = 7},
        AppliedMessage{.offset = 12, .count = 8, .hash = 7}}) {
    EXPECT_FALSE(held.Cover(other, other.offset + 4));
  }
}

TEST(HeldAnswersTest, AGapIsNoCover) {
  HeldAnswers held;
  held.Add(10, Answer(kFirst, 12), kMuch);
  held.Add(14, Answer(kFirst, 18), kMuch);
  EXPECT_TRUE(held.Cover(kFirst, 12));
  EXPECT_FALSE(held.Cover(kFirst, 13));
  EXPECT_FALSE(held.Cover(kFirst, 18));
}

TEST(HeldAnswersTest, TheAnswersOfTwoMessagesAreNotThoseOfOne) {
  HeldAnswers held;
  Fill(held);
  EXPECT_FALSE(held.Cover(kFirst, 22));
}

TEST(HeldAnswersTest, WhatTheClientHasIsLetGoOf) {
  HeldAnswers held;
  Fill(held);
  const size_t bytes = held.bytes();
  held.DropBefore(13);  // in the midst of an answer
  EXPECT_EQ(held.bytes(), bytes);
  held.DropBefore(14);
  EXPECT_EQ(held.bytes(), bytes / 3 * 2);
  EXPECT_FALSE(held.Cover(kFirst, 18));
  EXPECT_TRUE(held.Cover(kSecond, 22));
  held.DropBefore(~uint64_t{0});
  EXPECT_EQ(held.bytes(), 0u);
}

TEST(HeldAnswersTest, TheOldestMakeRoomForTheNewest) {
  HeldAnswers held;
  Fill(held, {3 * kOne - 1});
  EXPECT_LE(held.bytes(), 3 * kOne - 1);
  EXPECT_FALSE(held.Cover(kFirst, 14));
  EXPECT_TRUE(held.Cover(kSecond, 22));
  Fill(held, {3 * kOne});
  EXPECT_EQ(held.bytes(), 3 * kOne);
  EXPECT_TRUE(held.Cover(kFirst, 18));
}

TEST(HeldAnswersTest, OneThatIsTooLongByItselfIsNotHeld) {
  HeldAnswers held;
  Fill(held);
  held.Add(22, Answer({.offset = 22, .count = 1}, 23), {kLength});
  EXPECT_FALSE(held.Cover({.offset = 22, .count = 1}, 23));
  EXPECT_TRUE(held.Cover(kSecond, 22)) << "it takes nobody's place";
}

TEST(HeldAnswersTest, AllSessionsTogetherHaveNoMoreThanTheyMay) {
  Budget budget(4 * kOne);
  const HeldRoom room{.session_bytes = 3 * kOne, .all = &budget};
  auto held = std::make_unique<HeldAnswers>();
  HeldAnswers other;
  Fill(*held, room);
  EXPECT_EQ(budget.lent(), held->bytes());
  Fill(other, room);  // its own make room for each other
  EXPECT_EQ(budget.lent(), 4 * kOne);
  EXPECT_EQ(held->bytes(), 3 * kOne);
  EXPECT_EQ(other.bytes(), kOne);
  EXPECT_TRUE(other.Cover(kSecond, 22));
  Fill(*held, room);
  EXPECT_EQ(held->bytes(), 3 * kOne) << "what is let go of is there again";

  other.Clear();
  EXPECT_EQ(budget.lent(), 3 * kOne);
  held->DropBefore(14);
  EXPECT_EQ(budget.lent(), 2 * kOne);
  held.reset();
  EXPECT_EQ(budget.lent(), 0u);
}

TEST(HeldAnswersTest, WhoHasNothingToLetGoOfHoldsNothingWhereOthersHaveAll) {
  Budget budget(3 * kOne);
  const HeldRoom room{.session_bytes = 3 * kOne, .all = &budget};
  HeldAnswers held, other;
  Fill(held, room);
  Fill(other, room);
  EXPECT_EQ(other.bytes(), 0u);
  EXPECT_FALSE(other.Cover(kSecond, 22));
  EXPECT_TRUE(held.Cover(kFirst, 18)) << "nobody else's go";
  EXPECT_EQ(budget.lent(), 3 * kOne);
}

TEST(HeldAnswersTest, AnotherKindDoesNotStandForThisOne) {
  HeldAnswers held;
  Fill(held);
  held.Use(1, {});
  EXPECT_TRUE(held.Cover(kSecond, 22));
  held.Use(2, {});
  EXPECT_FALSE(held.Cover(kSecond, 22));
  EXPECT_EQ(held.bytes(), 0u);
}

TEST(HeldAnswersTest, WhatIsAnsweredAnewIsForgotten) {
  HeldAnswers held;
  Fill(held);
  const AppliedMessage other{.offset = 14, .count = 2, .hash = 3};
  held.Add(14, Answer(other, 16), kMuch);
  EXPECT_TRUE(held.Cover(kFirst, 14));
  EXPECT_TRUE(held.Cover(other, 16));
  EXPECT_FALSE(held.Cover(kSecond, 22));
  EXPECT_EQ(held.bytes(), 2 * kOne);
}

TEST(HeldAnswersTest, ClearedTheyTakeNothing) {
  HeldAnswers held;
  Fill(held);
  held.Clear();
  EXPECT_EQ(held.bytes(), 0u);
  EXPECT_FALSE(held.Cover(kSecond, 22));
}

}  // namespace
}  // namespace backprop
