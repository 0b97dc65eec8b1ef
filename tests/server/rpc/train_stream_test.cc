// SPDX-License-Identifier: Apache-2.0
//
// Train: what is answered, what is refused and what that leaves behind.
#include <cmath>
#include <functional>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class TrainStreamTest : public TransportTest {
 protected:
  std::mt19937 random_{11};
};
BACKPROP_OVER_BOTH_TRANSPORTS(TrainStreamTest);

TEST_P(TrainStreamTest, OpeningIsAnsweredWithTheSessionsProgress) {
  const v1::Session session = Create(Spec(4, {3, 2}));
  TrainCall call(stub(), session.session_id());
  ASSERT_TRUE(call.opening().has_value());
  EXPECT_EQ(call.opening()->message_number(), 0u);
  EXPECT_TRUE(call.opening()->message_done());
  EXPECT_EQ(call.opening()->step(), 0u);
  EXPECT_EQ(call.opening()->next_offset(), 0u);
  EXPECT_TRUE(call.Finish().ok());
}

TEST_P(TrainStreamTest, MessagesAreAnsweredInOrderWithTheirSteps) {
  const v1::Session session = Create(Spec(4, {3, 2}));
  TrainCall call(stub(), session.session_id());
  for (const size_t n : {1, 5, 2})
    call.Write(RandomSamples(session, n, random_));
  uint64_t steps = 0;
  for (uint64_t number = 1; number <= 3; ++number) {
    const auto answer = call.Read();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->message_number(), number);
    EXPECT_EQ(answer->base_step(), steps);
    steps += number == 1 ? 1 : number == 2 ? 5 : 2;
    EXPECT_EQ(answer->step(), steps);
    EXPECT_EQ(answer->next_offset(), steps);
    for (const float error : answer->errors()) EXPECT_GT(error, 0);
  }
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(Get(session).step(), 8u);
}

// How many wait for a turn is a matter of time, and may not show: a session
// that is put back has to give the same answers. Weights enough that a
// message's samples are trained as a block.
TEST_P(TrainStreamTest, MessagesSentAheadAreAnsweredAsIfEachHadComeAlone) {
  const v1::SessionSpec spec = Spec(100, {90, 2});
  const v1::Session ahead = Create(spec);
  const v1::Session alone = Create(spec);
  std::vector<v1::TrainRequest> messages;
  for (int i = 0; i < 300; ++i) {
    messages.push_back(RandomSamples(ahead, i % 50 == 49 ? 3 : 1, random_));
  }
  messages[150].mutable_inputs()->pop_back();
  TrainCall sent_ahead(stub(), ahead.session_id());
  for (const v1::TrainRequest& message : messages) sent_ahead.Write(message);
  TrainCall one_by_one(stub(), alone.session_id());
  for (const v1::TrainRequest& message : messages) {
    const auto answer = sent_ahead.ReadPart();
    ASSERT_TRUE(answer.has_value());
    const v1::TrainResponse expected = one_by_one.Exchange(message);
    ASSERT_EQ(answer->SerializeAsString(), expected.SerializeAsString());
  }
  EXPECT_EQ(Digest(ahead), Digest(alone));
}

TEST_P(TrainStreamTest, ABatchMakesOneStepOfItsSamples) {
  const v1::Session session = Create(With(Spec(4, {3, 2}), "batch_size: 4"));
  TrainCall call(stub(), session.session_id());
  const auto answer = call.Exchange(RandomSamples(session, 12, random_));
  EXPECT_EQ(answer.step(), 3u);
  EXPECT_EQ(answer.next_offset(), 12u);
  const auto refused = call.Exchange(RandomSamples(session, 6, random_));
  EXPECT_THAT(Fields(refused.rejection()), ElementsAre("inputs"));
  EXPECT_EQ(refused.step(), 3u);
}

TEST_P(TrainStreamTest, ClassesMeanTheirOneHotTargets) {
  const v1::SessionSpec spec =
      With(Spec(4, {3}),
           "loss: LOSS_CROSS_ENTROPY layers {activation: ACTIVATION_SOFTMAX}");
  const v1::Session one = Create(spec);
  const v1::Session other = Create(spec);
  v1::TrainRequest by_target = RandomSamples(one, 2, random_);
  by_target.set_targets(Bytes({0, 0, 1, 1, 0, 0}));
  v1::TrainRequest by_class = by_target;
  by_class.clear_targets();
  by_class.add_classes(2);
  by_class.add_classes(0);
  const auto first = TrainCall(stub(), one.session_id()).Exchange(by_target);
  const auto second = TrainCall(stub(), other.session_id()).Exchange(by_class);
  EXPECT_FALSE(first.has_rejection());
  EXPECT_EQ(first.deltas(), second.deltas());
}

TEST_P(TrainStreamTest, DigestsComeWhenDueAndWhenAsked) {
  const v1::Session session = Create(With(Spec(4, {3, 2}), "digest_every: 3"));
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session.session_id());
  const auto due = call.Exchange(RandomSamples(session, 7, random_));
  ASSERT_EQ(due.digests_size(), 2);
  EXPECT_EQ(due.digests(0).step(), 3u);
  EXPECT_EQ(due.digests(1).step(), 6u);
  EXPECT_NE(due.digests(0).digest(), due.digests(1).digest());
  v1::TrainRequest request = RandomSamples(session, 1, random_);
  request.set_want_digest(true);
  const auto asked = call.Exchange(request);
  ASSERT_EQ(asked.digests_size(), 1);
  EXPECT_EQ(asked.digests(0).step(), 8u);
  EXPECT_EQ(asked.digests(0).digest(), Digest(session));
  const auto both = call.Exchange(request);  // step 9 is due and asked for
  ASSERT_EQ(both.digests_size(), 1);
}

TEST_P(TrainStreamTest, BadMessagesAreRefusedWholeAndTheStreamGoesOn) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  const v1::TrainRequest good = RandomSamples(session, 2, random_);
  ASSERT_FALSE(call.Exchange(good).has_rejection());
  const uint64_t digest = Digest(session);

  struct Bad {
    const char* field;
    std::function<void(v1::TrainRequest&)> spoil;
  };
  const auto with_input = [](float x) {
    return [x](v1::TrainRequest& r) {
      r.set_inputs(Bytes({0, 0, 0, 0, 0, x}));
    };
  };
  const auto with_target = [](float d) {
    return [d](v1::TrainRequest& r) { r.set_targets(Bytes({0, 0, 0, d})); };
  };
  const auto with_classes = [](std::vector<uint32_t> classes) {
    return [classes](v1::TrainRequest& r) {
      r.clear_targets();
      for (const uint32_t c : classes) r.add_classes(c);
    };
  };
  const std::vector<Bad> bad = {
      {"inputs", [](auto& r) { r.clear_inputs(); }},
      {"inputs", [](auto& r) { r.mutable_inputs()->pop_back(); }},
      {"inputs", [](auto& r) { r.mutable_inputs()->append("abcd"); }},
      {"inputs", with_input(NAN)},
      {"inputs", with_input(-INFINITY)},
      {"targets", [](auto& r) { r.clear_targets(); }},
      {"targets", [](auto& r) { r.mutable_targets()->pop_back(); }},
      {"targets", [](auto& r) { r.mutable_targets()->append("12345678"); }},
      {"targets", [](auto& r) { r.add_classes(0); }},
      {"targets", with_target(NAN)},
      {"targets", with_target(INFINITY)},
      {"classes", with_classes({0})},
      {"classes", with_classes({0, 1, 0})},
      {"classes[1]", with_classes({0, 2})},
      {"classes[0]", with_classes({0xffffffff, 0})},
      {"session_id", [&](auto& r) { r.set_session_id(session.session_id()); }},
      {"TrainRequest", [](auto& r) { r.set_session_id("\xff"); }},  // no UTF-8
  };
  uint64_t number = 1;
  for (const Bad& entry : bad) {
    v1::TrainRequest request = good;
    entry.spoil(request);
    const auto answer = call.Exchange(request);
    EXPECT_EQ(answer.message_number(), ++number);
    EXPECT_THAT(answer.rejection(), IsInvalid(ElementsAre(entry.field)));
    EXPECT_EQ(answer.step(), 2u);
    EXPECT_EQ(answer.next_offset(), 2u);
    EXPECT_EQ(answer.deltas(), "");
  }
  EXPECT_EQ(Digest(session), digest);
  EXPECT_EQ(call.Exchange(good).step(), 4u);
  EXPECT_TRUE(call.Finish().ok());
}

TEST_P(TrainStreamTest, ScaledInputsThatOverflowAreRefused) {
  const v1::Session session = Create(With(Spec(1, {1}), "input {scale: 1e30}"));
  const auto answer =
      TrainCall(stub(), session.session_id()).Exchange(SamplesOf({1e30F}, {0}));
  EXPECT_THAT(Fields(answer.rejection()), ElementsAre("inputs"));
}

TEST_P(TrainStreamTest, ARefusedMessageStillGetsTheDigestItAskedFor) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest request;
  request.set_want_digest(true);
  const auto answer = call.Exchange(request);
  EXPECT_TRUE(answer.has_rejection());
  ASSERT_EQ(answer.digests_size(), 1);
  EXPECT_EQ(answer.digests(0).step(), 0u);
  EXPECT_EQ(answer.digests(0).digest(), Digest(session));
}

TEST_P(TrainStreamTest, RepeatedSamplesAreSkipped) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest request = RandomSamples(session, 4, random_);
  request.set_offset(0);
  EXPECT_EQ(call.Exchange(request).next_offset(), 4u);
  const uint64_t digest = Digest(session);
  const auto again = call.Exchange(request);
  EXPECT_FALSE(again.has_rejection());
  EXPECT_EQ(again.skipped_samples(), 4u);
  EXPECT_EQ(again.errors_size(), 0);
  EXPECT_EQ(again.next_offset(), 4u);
  EXPECT_EQ(Digest(session), digest);
}

TEST_P(TrainStreamTest, OtherSamplesUnderAnAppliedOffsetAreRefused) {
  const v1::Session session = Create(
      With(Spec(3, {2}),
           "loss: LOSS_CROSS_ENTROPY layers {activation: ACTIVATION_SOFTMAX}"));
  auto call = std::make_unique<TrainCall>(stub(), session.session_id());
  std::vector<v1::TrainRequest> sent;
  for (int i = 0; i < 64; ++i) {
    sent.push_back(RandomSamples(session, 2, random_));
    sent.back().clear_targets();
    sent.back().add_classes(0);
    sent.back().add_classes(1);
    sent.back().add_sample_weights(1);
    sent.back().add_sample_weights(2);
    sent.back().set_offset(static_cast<uint64_t>(2 * i));
    EXPECT_EQ(call->Exchange(sent.back()).skipped_samples(), 0u);
  }
  const uint64_t digest = Digest(session);
  EXPECT_TRUE(call->Finish().ok());
  call = std::make_unique<TrainCall>(stub(), session.session_id());
  const std::vector<std::function<void(v1::TrainRequest&)>> changes = {
      [](auto& r) { r.mutable_inputs()->back() ^= 1; },
      [](auto& r) { r.set_classes(0, 1); },
      [](auto& r) { r.set_sample_weights(1, 1); },
      [](auto& r) { r.clear_sample_weights(); }};
  for (const v1::TrainRequest& message :
       {sent.front(), sent[20], sent.back()}) {
    EXPECT_EQ(call->Exchange(message).skipped_samples(), 2u);
    for (const auto& change : changes) {
      v1::TrainRequest other = message;
      change(other);
      const auto refused = call->Exchange(other);
      EXPECT_THAT(refused.rejection(),
                  Fails(grpc::StatusCode::ALREADY_EXISTS, "SAMPLES_DIFFER"));
      EXPECT_EQ(refused.skipped_samples(), 0u);
      EXPECT_EQ(refused.next_offset(), 128u);
    }
  }
  EXPECT_EQ(Digest(session), digest);
  v1::TrainRequest next = sent.back();
  next.set_offset(128);
  EXPECT_EQ(call->Exchange(next).next_offset(), 130u);
  // Held no longer: skipped unseen.
  v1::TrainRequest other = sent.front();
  other.set_classes(0, 1);
  EXPECT_EQ(call->Exchange(other).skipped_samples(), 2u);
}

// What was applied of it need not be the same in the second.
TEST_P(TrainStreamTest, AMessageThatWasAppliedInPartMayBeSentAnew) {
  const v1::Session session =
      Create(With(Spec(1, {1}), "initialiser {kind: INITIALISER_KIND_ZEROS}"));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest message = SamplesOf({1, 2, 1, 1}, {1, 1, 3e38F, 1});
  message.set_offset(0);
  EXPECT_EQ(call.Exchange(message).step(), 2u);
  v1::TrainRequest mended = SamplesOf({1, 2, 1, 1}, {1, 1, 1, 1});
  mended.set_offset(0);
  EXPECT_EQ(call.Exchange(mended).step(), 4u);
  EXPECT_EQ(call.Exchange(mended).skipped_samples(), 4u);
}

TEST_P(TrainStreamTest, AnOverlapIsAppliedFromItsFirstNewSample) {
  const v1::Session session = Create(Spec(3, {2}));
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session.session_id());
  const v1::TrainRequest first = RandomSamples(session, 4, random_);
  replica.Apply(first, call.Exchange(first));
  v1::TrainRequest overlap = RandomSamples(session, 5, random_);
  overlap.set_offset(1);
  const auto answer = call.Exchange(overlap);
  EXPECT_EQ(answer.skipped_samples(), 3u);
  EXPECT_EQ(answer.errors_size(), 2);
  EXPECT_EQ(answer.next_offset(), 6u);
  replica.Apply(overlap, answer);
  EXPECT_EQ(replica.digest(), Digest(session));
}

TEST_P(TrainStreamTest, AGapIsRefusedAndNamesTheExpectedOffset) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest request = RandomSamples(session, 2, random_);
  EXPECT_EQ(call.Exchange(request).next_offset(), 2u);
  request.set_offset(3);
  const auto answer = call.Exchange(request);
  EXPECT_THAT(answer.rejection(),
              Fails(grpc::StatusCode::OUT_OF_RANGE, "OFFSET_GAP"));
  EXPECT_EQ(answer.next_offset(), 2u);
  EXPECT_EQ(answer.step(), 2u);
  request.set_offset(~uint64_t{0});
  EXPECT_EQ(Reason(call.Exchange(request).rejection()), "OFFSET_GAP");
  request.set_offset(2);
  EXPECT_EQ(call.Exchange(request).next_offset(), 4u);
}

TEST_P(TrainStreamTest, AnOverlapWithinABatchIsRefused) {
  const v1::Session session = Create(With(Spec(3, {2}), "batch_size: 2"));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest request = RandomSamples(session, 4, random_);
  EXPECT_EQ(call.Exchange(request).next_offset(), 4u);
  request.set_offset(1);
  const auto answer = call.Exchange(request);
  EXPECT_EQ(Reason(answer.rejection()), "INVALID_REQUEST");
  EXPECT_THAT(Fields(answer.rejection()), ElementsAre("offset"));
  EXPECT_EQ(answer.next_offset(), 4u);
}

TEST_P(TrainStreamTest, WhatWasSentAheadOfARefusalIsTakenUnlessItIsAGap) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  v1::TrainRequest bad;
  v1::TrainRequest next = RandomSamples(session, 2, random_);
  v1::TrainRequest offset = next;
  offset.set_offset(4);  // as though `bad` had held two samples
  for (const v1::TrainRequest& request : {bad, next, offset, next}) {
    call.Write(request);
  }
  EXPECT_EQ(Reason(call.Read()->rejection()), "INVALID_REQUEST");
  EXPECT_EQ(call.Read()->next_offset(), 2u);
  EXPECT_EQ(Reason(call.Read()->rejection()), "OFFSET_GAP");
  EXPECT_EQ(call.Read()->next_offset(), 4u);
}

// Weights 3 and 1, outputs ½ for both samples: (3·ln 2 + ln 2)/2, and not
// divided by 3 + 1, as PyTorch would.
TEST_P(TrainStreamTest, TheMeanIsOverSamplesWhateverTheirClassesWeigh) {
  const v1::Session session =
      Create(With(Spec(1, {2}),
                  "batch_size: 2 loss: LOSS_CROSS_ENTROPY class_weights: 3 "
                  "class_weights: 1 optimiser {learning_rate: 1} initialiser "
                  "{kind: INITIALISER_KIND_ZEROS}"));
  TrainCall call(stub(), session.session_id());
  auto request = Parsed<v1::TrainRequest>("classes: [0, 1]");
  request.set_inputs(Bytes({0, 0}));
  const auto answer = call.Exchange(request);
  ASSERT_EQ(answer.errors_size(), 1);
  EXPECT_FLOAT_EQ(answer.errors(0), 2 * std::log(2.0F));
  // The biases: −Σ c·(y − d)/B.
  EXPECT_THAT(Weights(session), ElementsAre(0, 0, 0.5F, -0.5F));
}

TEST_P(TrainStreamTest, ANonFiniteStepKeepsTheStepsBeforeIt) {
  const v1::Session session =
      Create(With(Spec(1, {1}), "initialiser {kind: INITIALISER_KIND_ZEROS}"));
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session.session_id());
  const v1::TrainRequest request =  // ½·d² is infinite
      SamplesOf({1, 2, 1, 1}, {1, 1, 3e38F, 1});
  const auto answer = call.Exchange(request);
  EXPECT_THAT(answer.rejection(),
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "NON_FINITE_STEP"));
  EXPECT_EQ(answer.step(), 2u);
  EXPECT_EQ(answer.next_offset(), 2u);
  replica.Apply(request, answer);
  EXPECT_EQ(replica.digest(), Digest(session));
  EXPECT_EQ(call.Exchange(SamplesOf({1}, {1})).step(), 3u);
}

TEST_P(TrainStreamTest, ADeltaBeyondItsLimitIsANonFiniteStep) {
  const v1::Session session =
      Create(With(Spec(1, {1}), "optimiser {learning_rate: 1e30}"));
  TrainCall call(stub(), session.session_id());
  const uint64_t digest = Digest(session);
  EXPECT_EQ(Reason(call.Exchange(SamplesOf({1}, {1})).rejection()),
            "NON_FINITE_STEP");
  EXPECT_EQ(Digest(session), digest);
}

TEST_P(TrainStreamTest, ASecondWriterIsRefusedUntilTheFirstHasEnded) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall first(stub(), session.session_id());
  EXPECT_TRUE(Get(session).has_writer());
  TrainCall second(stub(), session.session_id());
  EXPECT_FALSE(second.opening().has_value());
  EXPECT_THAT(second.Finish(), Fails(grpc::StatusCode::FAILED_PRECONDITION,
                                     "SESSION_HAS_WRITER"));
  EXPECT_EQ(first.Exchange(RandomSamples(session, 1, random_)).step(), 1u);
  EXPECT_TRUE(first.Finish().ok());
  EXPECT_FALSE(Get(session).has_writer());
  TrainCall third(stub(), session.session_id());
  ASSERT_TRUE(third.opening().has_value());
  EXPECT_EQ(third.opening()->next_offset(), 1u);
}

TEST_P(TrainStreamTest, DeleteIsRefusedWhileAStreamTrains) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  EXPECT_THAT(Delete(session),
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "SESSION_BUSY"));
  EXPECT_EQ(call.Exchange(RandomSamples(session, 1, random_)).step(), 1u);
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(Delete(session).ok());
}

TEST_P(TrainStreamTest, AFirstMessageThatIsNoOpeningEndsTheStream) {
  const v1::Session session = Create(Spec(3, {2}));
  const v1::TrainRequest samples = RandomSamples(session, 1, random_);
  v1::TrainRequest both = samples;
  both.set_session_id(session.session_id());
  for (const v1::TrainRequest& request :
       {samples, both, v1::TrainRequest(),
        For<v1::TrainRequest>(session, "offset: 0")}) {
    TrainCall call(stub());
    call.Write(request);
    EXPECT_THAT(call.Finish(), IsInvalid(Not(IsEmpty())));
  }
  EXPECT_FALSE(Get(session).has_writer());
}

TEST_P(TrainStreamTest, AStreamThatEndsBeforeItsOpeningIsRefused) {
  EXPECT_EQ(TrainCall(stub()).Finish().error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_P(TrainStreamTest, AnUnknownSessionEndsTheStream) {
  EXPECT_THAT(TrainCall(stub(), "nobody").Finish(),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
}

// A hand-made step between two messages would make the stream's next offset
// name a sample that was never applied.
TEST_P(TrainStreamTest, AStepByHandWaitsForTheStreamsEnd) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session.session_id());
  EXPECT_EQ(call.Exchange(RandomSamples(session, 1, random_)).step(), 1u);
  const auto request = For<v1::TrainStepRequest>(
      session, "samples {inputs: [1, 2, 3] targets: [0, 1]}");
  EXPECT_THAT(
      Try(&Stub::TrainStep, request),
      Fails(grpc::StatusCode::FAILED_PRECONDITION, "SESSION_HAS_WRITER"));
  EXPECT_EQ(call.Exchange(RandomSamples(session, 1, random_)).base_step(), 1u);
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(Ask(&Stub::TrainStep, request).step(), 3u);
  TrainCall next(stub(), session.session_id());
  EXPECT_EQ(next.Exchange(RandomSamples(session, 1, random_)).base_step(), 3u);
}

TEST_P(TrainStreamTest, AMessageAboveTheSizeLimitEndsTheStream) {
  StartWith([](auto& o) { o.max_message_bytes = 100'000; });
  const v1::Session session = Create(Spec(1000, {1}));
  TrainCall call(stub(), session.session_id());
  EXPECT_EQ(call.Exchange(RandomSamples(session, 20, random_)).step(), 20u);
  if (GetParam() == Transport::kInProcess) return;  // gRPC checks sockets only
  call.Write(RandomSamples(session, 30, random_));
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Get(session).step(), 20u);
}

TEST_P(TrainStreamTest, DrainAnswersWhatItBeganAndSaysGoodbye) {
  const v1::Session session = Create(Spec(3, {2}));
  ReferenceReplica replica(session, Weights(session));
  TrainCall call(stub(), session.session_id());
  const v1::TrainRequest request = RandomSamples(session, 3, random_);
  replica.Apply(request, call.Exchange(request));
  std::thread drain([this] { server().Drain(); });
  const auto goodbye = call.Read();
  ASSERT_TRUE(goodbye.has_value());
  EXPECT_TRUE(goodbye->goodbye());
  EXPECT_EQ(goodbye->step(), 3u);
  EXPECT_EQ(goodbye->next_offset(), 3u);
  EXPECT_TRUE(IsGoodEndOfDrain(call.Finish()));
  drain.join();
  EXPECT_FALSE(server().ready());
}

}  // namespace
}  // namespace backprop::testing
