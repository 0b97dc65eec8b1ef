// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/delta_feed.h"

#include <gtest/gtest.h>

#include <string>

namespace backprop::testing {
namespace {

using Clock = DeltaFeed::Clock;

constexpr Clock::time_point kStart{};

struct CountingReader : DeltaReader {
  void OnNews() override { ++news; }
  int news = 0;
};

class DeltaFeedTest : public ::testing::Test {
 protected:
  void Append(uint64_t base_step, uint64_t step) {
    ASSERT_TRUE(feed_->Wanted(kStart));
    feed_->Append(
        {base_step, step, std::make_shared<const std::string>(100, 'x')});
  }
  std::optional<uint64_t> Add(uint64_t after, uint64_t present) {
    return feed_->AddReader(reader_, after, present);
  }
  // Does what was to be done later.
  void RunLater() {
    while (!later_.empty()) {
      const auto next = later_.front();
      later_.erase(later_.begin());
      next();
    }
  }

  std::vector<std::function<void()>> later_;
  const std::shared_ptr<DeltaFeed> feed_ = std::make_shared<DeltaFeed>(
      250, [this](auto tell) { later_.push_back(std::move(tell)); });
  const std::shared_ptr<CountingReader> reader_ =
      std::make_shared<CountingReader>();
};

TEST_F(DeltaFeedTest, NothingIsWantedBeforeAnybodyAsks) {
  EXPECT_FALSE(feed_->Wanted(kStart));
  EXPECT_EQ(Add(3, 5), std::nullopt);
}

TEST_F(DeltaFeedTest, ReaderBeginsWhereAPieceBeginsAndNowhereElse) {
  Add(5, 5);
  Append(5, 8);
  Append(8, 9);
  EXPECT_EQ(Add(6, 9), std::nullopt);
  EXPECT_EQ(Add(4, 9), std::nullopt);
  const auto place = Add(8, 9);
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(feed_->At(*place).piece->step, 9);
  const auto end = Add(9, 9);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(feed_->At(*end).held);
  EXPECT_FALSE(feed_->At(*end).piece.has_value());
}

// A piece of no steps tells what was learnt; a reader that begins at the
// present has been told.
TEST_F(DeltaFeedTest, ReaderThatBeginsAtThePresentGetsNothingOld) {
  Add(5, 5);
  Append(5, 8);
  Append(8, 8);
  const auto end = Add(8, 8);
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(feed_->At(*end).piece.has_value());
  Append(8, 9);
  EXPECT_EQ(feed_->At(*end).piece->step, 9);
  const auto earlier = Add(8, 9);
  ASSERT_TRUE(earlier.has_value());
  EXPECT_EQ(feed_->At(*earlier).piece->step, 8);
}

TEST_F(DeltaFeedTest, ReaderFallsBehindWhatTheMemoryHolds) {
  const auto place = Add(0, 0);
  for (uint64_t step = 0; step < 4; ++step) Append(step, step + 1);
  EXPECT_FALSE(feed_->At(*place).held);
  EXPECT_EQ(feed_->At(*place + 2).piece->base_step, 2);
}

TEST_F(DeltaFeedTest, ReaderThatFellBehindGoesOnAtTheEnd) {
  const auto place = Add(0, 0);
  for (uint64_t step = 0; step < 4; ++step) Append(step, step + 1);
  ASSERT_FALSE(feed_->At(*place).held);
  const auto end = Add(4, 4);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(feed_->At(*end).held);
  Append(4, 5);
  EXPECT_EQ(feed_->At(*end).piece->base_step, 4);
  RunLater();
  EXPECT_EQ(reader_->news, 1);  // it reads once
  feed_->RemoveReader(reader_.get(), kStart);
  feed_->Expire(kStart + DeltaFeed::kInterest);
  EXPECT_FALSE(feed_->Wanted(kStart + DeltaFeed::kInterest));
}

TEST_F(DeltaFeedTest, WhatNobodyWantsAnyMoreIsForgotten) {
  Add(5, 5);
  Append(5, 6);
  feed_->RemoveReader(reader_.get(), kStart);
  feed_->Expire(kStart + DeltaFeed::kInterest - std::chrono::seconds(1));
  EXPECT_TRUE(Add(5, 6).has_value());
  feed_->RemoveReader(reader_.get(), kStart);
  feed_->Expire(kStart + DeltaFeed::kInterest);
  EXPECT_EQ(Add(5, 6), std::nullopt);
}

// Of the room of two pieces and a half.
TEST_F(DeltaFeedTest, WhatIsHeldNoMoreTakesNoRoom) {
  Add(0, 0);
  Append(0, 1);
  Append(1, 2);
  feed_->RemoveReader(reader_.get(), kStart);
  feed_->Expire(kStart + DeltaFeed::kInterest);
  const auto forgotten = Add(2, 2);
  ASSERT_TRUE(forgotten.has_value());
  Append(2, 3);
  Append(3, 4);
  EXPECT_TRUE(feed_->At(*forgotten).held) << "after what was forgotten";
  const auto gap = Add(4, 4);
  Append(5, 6);
  Append(6, 7);
  EXPECT_EQ(feed_->At(*gap + 1).piece->step, 6) << "after a gap";
  feed_->Lose(9);
  const auto lost = Add(9, 9);
  Append(9, 10);
  Append(10, 11);
  EXPECT_TRUE(feed_->At(*lost).held) << "after a loss";
}

TEST_F(DeltaFeedTest, AReaderKeepsWhatItReads) {
  const auto place = Add(0, 0);
  Append(0, 1);
  EXPECT_TRUE(feed_->Wanted(kStart + 2 * DeltaFeed::kInterest));
  EXPECT_TRUE(feed_->At(*place).piece.has_value());
}

TEST_F(DeltaFeedTest, GapMakesReadersFallBehind) {
  const auto place = Add(0, 0);
  Append(0, 1);
  Append(2, 3);  // what was between could not be told
  EXPECT_FALSE(feed_->At(*place).held);
  EXPECT_FALSE(feed_->At(*place + 1).held);
  const auto after = Add(2, 3);
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(feed_->At(*after).piece->step, 3);
}

TEST_F(DeltaFeedTest, LossMakesAReaderAtTheEndFallBehind) {
  const auto place = Add(0, 0);
  feed_->Lose(4);
  EXPECT_FALSE(feed_->At(*place).held);
  EXPECT_EQ(feed_->present(), 4);
}

TEST_F(DeltaFeedTest, NewsIsToldOnceForManyPieces) {
  Add(0, 0);
  Append(0, 1);
  Append(1, 2);
  EXPECT_EQ(reader_->news, 0);
  RunLater();
  EXPECT_EQ(reader_->news, 1);
  Append(2, 3);
  RunLater();
  EXPECT_EQ(reader_->news, 2);
}

TEST_F(DeltaFeedTest, ClosingIsNews) {
  Add(0, 0);
  feed_->Close();
  RunLater();
  EXPECT_EQ(reader_->news, 1);
  EXPECT_TRUE(feed_->closed());
}

}  // namespace
}  // namespace backprop::testing
