// SPDX-License-Identifier: Apache-2.0
//
// What a watcher holds of the server's memory, and that it gives it back.
#include "server/rpc/watch_source.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace backprop::testing {
namespace {

using Found = WatchSource::Found;

struct IdleReader : DeltaReader {
  void OnNews() override {}
};

// Two watchers of a session that has taken one step, and room for one piece
// and a half.
class WatchSourceTest : public ::testing::Test {
 protected:
  static constexpr size_t kPiece = 10'000;
  static constexpr size_t kRoom = kPiece + kPiece / 2;

  WatchSourceTest() {
    const auto place = feed_->AddReader(reader_, 0, 0);
    auto message = std::make_shared<const std::string>(kPiece, 'x');
    piece_ = message;
    EXPECT_TRUE(feed_->Wanted(DeltaFeed::Clock::now()));
    feed_->Append({0, 1, std::move(message)});
    for (WatchSource* source : {&*first_, &second_}) {
      source->Follow(feed_);
      source->MoveTo(*place);
    }
  }

  Found Next(WatchSource& source, grpc::ByteBuffer* message) {
    return source.Next(message).value();
  }
  size_t Free() {
    size_t free = kRoom;
    while (!room_.Reserve(free).has_value()) --free;
    return free;
  }

  const std::shared_ptr<IdleReader> reader_ = std::make_shared<IdleReader>();
  const std::shared_ptr<DeltaFeed> feed_ =
      std::make_shared<DeltaFeed>(10 * kPiece, [](const auto&) {});
  std::weak_ptr<const std::string> piece_;
  Budget room_{kRoom};
  std::optional<WatchSource> first_{room_};
  WatchSource second_{room_};
};

TEST_F(WatchSourceTest, APieceTakesItsRoomUntilItIsWritten) {
  grpc::ByteBuffer message;
  ASSERT_EQ(Next(*first_, &message), Found::kMessage);
  EXPECT_EQ(message.Length(), kPiece);
  EXPECT_EQ(Free(), kRoom - kPiece);
  first_->Written();
  EXPECT_EQ(Free(), kRoom);
  EXPECT_EQ(Next(*first_, &message), Found::kNothing) << "once";
}

TEST_F(WatchSourceTest, AWatcherThatGoesGivesBackWhatItHad) {
  grpc::ByteBuffer message;
  ASSERT_EQ(Next(*first_, &message), Found::kMessage);
  first_.reset();
  EXPECT_EQ(Free(), kRoom);
}

TEST_F(WatchSourceTest, WithoutRoomAWatcherFallsBehindAndTakesNothing) {
  grpc::ByteBuffer message;
  ASSERT_EQ(Next(*first_, &message), Found::kMessage);
  EXPECT_EQ(Next(second_, &message), Found::kBehind);
  EXPECT_EQ(Free(), kRoom - kPiece);
  first_->Written();
  EXPECT_EQ(Next(second_, &message), Found::kMessage) << "it is still held";
}

TEST_F(WatchSourceTest, APieceLargerThanAllTheRoomGoesAlone) {
  Budget small(kPiece / 2);
  WatchSource source(small);
  source.Follow(feed_);
  grpc::ByteBuffer message;
  ASSERT_EQ(Next(source, &message), Found::kMessage);
  EXPECT_EQ(message.Length(), kPiece);
  EXPECT_FALSE(small.Reserve(1).has_value());
  source.Written();
  EXPECT_TRUE(small.Reserve(kPiece / 2).has_value());
}

TEST_F(WatchSourceTest, APieceIsFreedWhenNobodySendsOrHoldsIt) {
  grpc::ByteBuffer messages[2];
  ASSERT_EQ(Next(*first_, &messages[0]), Found::kMessage);
  first_->Written();
  ASSERT_EQ(Next(second_, &messages[1]), Found::kMessage);
  first_->Unfollow(reader_.get());
  feed_->Expire(DeltaFeed::Clock::now() + 2 * DeltaFeed::kInterest);
  messages[0].Clear();
  EXPECT_FALSE(piece_.expired()) << "the second watcher still sends it";
  messages[1].Clear();
  EXPECT_TRUE(piece_.expired());
}

}  // namespace
}  // namespace backprop::testing
