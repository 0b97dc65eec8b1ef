// SPDX-License-Identifier: Apache-2.0
//
// A Train stream that takes another's place: what becomes of that one, and that
// nothing of it is applied afterwards.
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

class TakeoverTest : public TransportTest {
 protected:
  // A stream that has been opened by taking the session over.
  std::unique_ptr<TrainCall> TakeOver(
      const v1::Session& session,
      v1::DeltaDetail deltas = v1::DELTA_DETAIL_NONE) {
    auto call = std::make_unique<TrainCall>(stub());
    auto opening = For<v1::TrainRequest>(session, "takeover: true");
    opening.mutable_options()->set_deltas(deltas);
    call->Write(opening);
    return call;
  }

  // The offset that the stream is told to go on from.
  uint64_t OffsetOf(TrainCall& call) {
    const auto answer = call.ReadPart();
    EXPECT_TRUE(answer.has_value());
    if (!answer) return 0;
    EXPECT_EQ(answer->message_number(), 0u);
    return answer->next_offset();
  }

  static auto IsReplaced() {
    return Fails(grpc::StatusCode::ABORTED, "WRITER_REPLACED");
  }

  std::mt19937 random_{41};
};
BACKPROP_OVER_BOTH_TRANSPORTS(TakeoverTest);

TEST_P(TakeoverTest, TheStreamBeforeEndsAndItsSessionGoesOn) {
  const v1::Session session = Create(Spec(3, {2}));
  const v1::TrainRequest one = RandomSamples(session, 1, random_);
  TrainCall first(stub(), session);
  EXPECT_EQ(first.Exchange(one).step(), 1u);
  const auto second = TakeOver(session);
  EXPECT_EQ(OffsetOf(*second), 1u);
  EXPECT_EQ(second->Exchange(one).step(), 2u);
  EXPECT_THAT(first.Finish(), IsReplaced());
  EXPECT_TRUE(Get(session).has_writer()) << "that end is not the session's";
  EXPECT_EQ(second->Exchange(one).step(), 3u);
  EXPECT_TRUE(second->Finish().ok());
  EXPECT_FALSE(Get(session).has_writer());
}

TEST_P(TakeoverTest, WhereNobodyWritesItIsAnOpeningLikeOthers) {
  const v1::Session session = Create(Spec(3, {2}));
  const auto call = TakeOver(session);
  EXPECT_EQ(OffsetOf(*call), 0u);
  TrainCall other(stub(), session);
  EXPECT_THAT(other.Finish(), Fails(grpc::StatusCode::FAILED_PRECONDITION,
                                    "SESSION_HAS_WRITER"));
  EXPECT_TRUE(call->Finish().ok());
}

TEST_P(TakeoverTest, NothingOfTheStreamBeforeIsAppliedAfterItsOpening) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const v1::TrainRequest many = RandomSamples(session, 500, random_);
  const v1::TrainRequest one = RandomSamples(session, 1, random_);
  auto call = TakeOver(session);
  OffsetOf(*call);
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(call->Write(many));
    if (round % 2 == 0) {
      ASSERT_TRUE(call->ReadPart());
    }
    auto next = TakeOver(session);
    v1::TrainRequest request = one;
    request.set_offset(OffsetOf(*next));
    const v1::TrainResponse answer = next->Exchange(request);
    EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
    EXPECT_EQ(answer.skipped_samples(), 0u);
    EXPECT_EQ(answer.next_offset(), request.offset() + 1);
    // What it was answered is what it has applied, and no more.
    uint64_t answered = 0;
    while (const auto part = call->ReadPart()) answered = part->next_offset();
    if (answered > 0) {
      EXPECT_EQ(answered, request.offset());
    }
    EXPECT_THAT(call->Finish(), IsReplaced());
    EXPECT_EQ(Get(session).next_offset(), answer.next_offset());
    call = std::move(next);
  }
}

TEST_P(TakeoverTest, OfManyAtOnceTheLastOneStaysAndTheOthersAreTold) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const v1::TrainRequest many = RandomSamples(session, 200, random_);
  constexpr int kStreams = 8;
  std::atomic<int> replaced = 0, ended = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kStreams; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10; ++round) {
        const auto call = TakeOver(session);
        const auto opening = call->ReadPart();
        uint64_t at = opening ? opening->step() : 0;
        if (opening) call->Write(many);
        while (const auto part = call->ReadPart()) {
          EXPECT_EQ(part->base_step(), at) << "another trains";
          at = part->step();
          if (part->message_done()) break;
        }
        const grpc::Status status = call->Finish();
        if (status.ok()) {
          ++ended;
        } else {
          EXPECT_THAT(status, IsReplaced());
          ++replaced;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(replaced + ended, 10 * kStreams);
  EXPECT_GT(ended, 0);
  EXPECT_FALSE(Get(session).has_writer());
}

// Nobody reads its answers, so that a write never ends by itself.
TEST_P(TakeoverTest, AStreamThatNobodyReadsIsInNobodysWayAndEnds) {
  const v1::Session session =
      Create(With(Spec(200, {200, 4}), "optimiser {learning_rate: 1e-5}"));
  const v1::TrainRequest many = RandomSamples(session, 100, random_);
  auto first = TakeOver(session, v1::DELTA_DETAIL_FACTORS);
  OffsetOf(*first);
  std::thread writer([&] {
    for (int i = 0; i < 1000 && first->Write(many); ++i) {
    }
  });
  EXPECT_TRUE(Eventually([&] { return Get(session).step() > 100; }));
  const auto second = TakeOver(session);
  v1::TrainRequest request = many;
  request.set_offset(OffsetOf(*second));
  EXPECT_FALSE(second->Exchange(request).has_rejection());
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_train_streams") == 1; }));
  writer.join();
  EXPECT_FALSE(first->Finish().ok());
  EXPECT_TRUE(second->Finish().ok());
}

TEST_P(TakeoverTest, AStepByHandNeverComesBetweenTwoStreams) {
  const v1::Session session = Create(Spec(3, {2}));
  auto call = TakeOver(session);
  OffsetOf(*call);
  std::atomic<bool> over = false;
  std::thread by_hand([&] {
    const auto request = For<v1::TrainStepRequest>(
        session, "samples {inputs: [1, 2, 3] targets: [0, 1]}");
    while (!over) {
      EXPECT_THAT(
          Try(&Stub::TrainStep, request),
          Fails(grpc::StatusCode::FAILED_PRECONDITION, "SESSION_HAS_WRITER"));
    }
  });
  for (int i = 0; i < 100; ++i) {
    auto next = TakeOver(session);
    EXPECT_EQ(OffsetOf(*next), 0u);
    call = std::move(next);
  }
  over = true;
  by_hand.join();
}

TEST_P(TakeoverTest, AStreamThatDrainsMayBeReplacedMeanwhile) {
  const v1::Session session = Create(Spec(16, {16, 4}));
  const v1::TrainRequest many = RandomSamples(session, 500, random_);
  auto first = TakeOver(session);
  OffsetOf(*first);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(first->Write(many));
  std::thread drain([this] { server().Drain(); });
  const auto second = TakeOver(session);
  while (second->ReadPart()) {
  }
  bool bidden = false;
  while (const auto part = first->ReadPart()) bidden |= part->goodbye();
  const grpc::Status status = first->Finish();
  if (!bidden) {
    EXPECT_FALSE(status.ok());
  }
  second->Finish();
  drain.join();
}

}  // namespace
}  // namespace backprop::testing
