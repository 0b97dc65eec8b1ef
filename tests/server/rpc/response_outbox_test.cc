// SPDX-License-Identifier: Apache-2.0
//
// A Train stream's answers where something fails on their way: a client is sent
// whole answers, in order, and then the end.
#include "server/rpc/response_outbox.h"

#include <gtest/gtest.h>

#include <future>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "server/rpc/byte_buffer.h"
#include "server/sessions/out_of_memory.h"
#include "tests/server/allocation_limit.h"

namespace backprop::testing {
namespace {

using Answer = TrainFlow::Answer;

// Two steps after that one, with deltas that are no small string.
v1::TrainResponse TwoSteps(uint64_t base_step) {
  v1::TrainResponse response;
  response.set_message_number(base_step / 2 + 1);
  response.set_message_done(true);
  response.set_base_step(base_step);
  response.set_step(base_step + 2);
  response.set_deltas(std::string(10'000, 'd'));
  return response;
}

v1::TrainResponse Goodbye() {
  v1::TrainResponse response;
  response.set_goodbye(true);
  return response;
}

// What work() returns on a thread that has memory for a status and little more:
// the one that makes the limit is exempt from it.
template <typename Work>
auto WithoutMemory(Work work) {
  AllocationLimit limit(500);
  return std::async(std::launch::async, std::move(work)).get();
}

// An open stream whose opening's answer is being written, and which has begun
// to train a message.
class ResponseOutboxTest : public ::testing::Test {
 protected:
  ResponseOutboxTest() {
    flow_.Next(true);
    flow_.MessageRead(10);
    flow_.Opened();
    flow_.Next(true);
    flow_.BeginPart(0);
    outbox_.Send(Serialize(v1::TrainResponse()));
    flow_.EndPart(true, false);
    flow_.MessageRead(10);
    EXPECT_TRUE(BeginWrite());
    flow_.BeginPart(10);
  }

  bool BeginWrite() {
    const TrainFlow::Start start = flow_.Next(true);
    if (start.write) outgoing_ = outbox_.TakeFront();
    end_ = start.end;
    return start.write;
  }
  // Ends the write under way, and says what it was.
  v1::TrainResponse EndWrite(bool ok = true) {
    flow_.WriteDone(ok, outgoing_.Length());
    v1::TrainResponse written;
    EXPECT_TRUE(Parse(&outgoing_, &written).ok());
    return written;
  }

  // Sends answers of no steps until the queue would have to grow.
  void FillQueue() {
    EXPECT_TRUE(WithoutMemory([this] {
      try {
        while (true) outbox_.Send(Serialize(v1::TrainResponse()));
      } catch (const std::bad_alloc&) {
        return true;
      }
    }));
  }

  // The stream writes what was queued before memory was short, which says
  // nothing of steps, and ends with that.
  void ExpectEndsWithoutMemory() {
    do {
      EXPECT_EQ(flow_.Due(), Answer::kNone);
      const v1::TrainResponse written = EndWrite();
      EXPECT_EQ(written.step(), 0u);
      EXPECT_FALSE(written.goodbye());
      EXPECT_EQ(flow_.Due(), Answer::kNone);
    } while (BeginWrite());
    EXPECT_EQ(end_, OutOfMemory());
    EXPECT_EQ(flow_.outbox_bytes(), 0u);
  }

  Metrics metrics_;
  TrainFlow flow_{1 << 20};
  ResponseOutbox outbox_{flow_, metrics_};
  grpc::ByteBuffer outgoing_;
  std::optional<absl::Status> end_;
};

TEST_F(ResponseOutboxTest, AnswersThatWaitForAWriteAreMerged) {
  for (const uint64_t base_step : {0, 2, 4}) {
    v1::TrainResponse response = TwoSteps(base_step);
    ASSERT_TRUE(outbox_.SendOrHold(0, &response).ok());
  }
  flow_.EndPart(true, false);
  EndWrite();
  ASSERT_EQ(flow_.Due(), Answer::kHeld);
  ASSERT_TRUE(outbox_.SendHeld().ok());
  ASSERT_TRUE(BeginWrite());
  const v1::TrainResponse written = EndWrite();
  EXPECT_EQ(written.base_step(), 0u);
  EXPECT_EQ(written.step(), 6u);
  EXPECT_EQ(written.deltas().size(), 30'000u);
  EXPECT_FALSE(BeginWrite());
}

TEST_F(ResponseOutboxTest, WhatCannotBeMergedFollowsWhatIsHeld) {
  v1::TrainResponse held = TwoSteps(0);
  ASSERT_TRUE(outbox_.SendOrHold(0, &held).ok());
  v1::TrainResponse rejected = TwoSteps(2);
  rejected.mutable_rejection()->set_code(3);
  ASSERT_TRUE(outbox_.SendOrHold(0, &rejected).ok());
  flow_.EndPart(true, false);
  EndWrite();
  ASSERT_TRUE(BeginWrite());
  EXPECT_EQ(EndWrite().step(), 2u);
  ASSERT_EQ(flow_.Due(), Answer::kHeld);
  ASSERT_TRUE(outbox_.SendHeld().ok());
  ASSERT_TRUE(BeginWrite());
  EXPECT_TRUE(EndWrite().has_rejection());
}

TEST_F(ResponseOutboxTest, WhatWaitsIsWrittenWhenItIsDurableAndSaysSo) {
  EndWrite();
  outbox_.Send(Serialize(TwoSteps(0)), Progress{.step = 2, .next_offset = 2});
  outbox_.Send(Serialize(TwoSteps(2)));
  EXPECT_FALSE(BeginWrite());
  outbox_.Release({.step = 1, .next_offset = 2});
  EXPECT_FALSE(BeginWrite());
  const Progress durable{.step = 3, .next_offset = 4};
  outbox_.Release(durable);
  for (const uint64_t step : {2, 4}) {
    EXPECT_TRUE(outbox_.FrontIsOld());
    outbox_.Renew(durable);
    ASSERT_TRUE(BeginWrite());
    const v1::TrainResponse written = EndWrite();
    v1::TrainResponse expected = TwoSteps(step - 2);
    expected.set_durable_step(3);
    expected.set_durable_offset(4);
    EXPECT_EQ(written.DebugString(), expected.DebugString());
  }
  EXPECT_EQ(flow_.outbox_bytes(), 0u);
}

TEST_F(ResponseOutboxTest, WhatNeedNotWaitIsNotMergedWithWhatMust) {
  v1::TrainResponse first = TwoSteps(0);
  ASSERT_TRUE(outbox_.SendOrHold(0, &first).ok());
  for (const uint64_t base_step : {2, 4}) {
    v1::TrainResponse response = TwoSteps(base_step);
    const Progress until{.step = base_step + 2, .next_offset = 0};
    ASSERT_TRUE(outbox_.SendOrHold(0, &response, until).ok());
  }
  flow_.EndPart(true, false);
  EndWrite();
  ASSERT_TRUE(BeginWrite());
  EXPECT_EQ(EndWrite().step(), 2u);
  ASSERT_EQ(flow_.Due(), Answer::kHeld);
  ASSERT_TRUE(outbox_.SendHeld().ok());
  outbox_.Release({.step = 4, .next_offset = 0});
  EXPECT_FALSE(BeginWrite());
  outbox_.Release({.step = 6, .next_offset = 0});
  ASSERT_TRUE(BeginWrite());
  EXPECT_EQ(EndWrite().step(), 6u);
}

// Its numbers would say more steps than it has deltas for.
TEST_F(ResponseOutboxTest, HalfAMergeIsNeverSent) {
  v1::TrainResponse held = TwoSteps(0);
  ASSERT_TRUE(outbox_.SendOrHold(0, &held).ok());
  v1::TrainResponse next = TwoSteps(2);
  const absl::Status status =
      WithoutMemory([&] { return outbox_.SendOrHold(0, &next); });
  EXPECT_EQ(status, OutOfMemory());
  flow_.End(status);
  flow_.EndPart(true, false);
  ExpectEndsWithoutMemory();
}

TEST_F(ResponseOutboxTest, WhatIsHeldIsNotSentAfterAWriteThatFailed) {
  v1::TrainResponse held = TwoSteps(0);
  ASSERT_TRUE(outbox_.SendOrHold(0, &held).ok());
  flow_.EndPart(true, false);
  EndWrite(/*ok=*/false);
  EXPECT_EQ(flow_.Due(), Answer::kNone);
  EXPECT_FALSE(BeginWrite());
  EXPECT_EQ(end_, absl::CancelledError("cancelled"));
}

TEST_F(ResponseOutboxTest, AHeldAnswerThatFindsNoMemoryIsTheEnd) {
  v1::TrainResponse held = TwoSteps(0);
  ASSERT_TRUE(outbox_.SendOrHold(0, &held).ok());
  flow_.EndPart(true, false);
  FillQueue();
  flow_.Leave(absl::UnavailableError("drains"));
  ASSERT_EQ(flow_.Due(), Answer::kHeld);
  const absl::Status status =
      WithoutMemory([this] { return outbox_.SendHeld(); });
  EXPECT_EQ(status, OutOfMemory());
  flow_.End(status);
  ExpectEndsWithoutMemory();
}

TEST_F(ResponseOutboxTest, AGoodbyeThatFindsNoMemoryIsTheEnd) {
  outbox_.Send(Serialize(v1::TrainResponse()));
  flow_.EndPart(true, false);
  FillQueue();
  flow_.Leave(absl::UnavailableError("drains"));
  ASSERT_EQ(flow_.Due(), Answer::kGoodbye);
  const absl::Status status =
      WithoutMemory([this] { return outbox_.SendGoodbye(Goodbye()); });
  EXPECT_EQ(status, OutOfMemory());
  flow_.End(status);
  ExpectEndsWithoutMemory();
}

}  // namespace
}  // namespace backprop::testing
