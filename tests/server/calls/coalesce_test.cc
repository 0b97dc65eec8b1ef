// SPDX-License-Identifier: Apache-2.0
//
// Responses that answer several messages: nothing lost, nothing out of order,
// the same bits.
#include <random>
#include <vector>

#include "server/calls/response_merge.h"
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

// Two steps of a network with one-number delta rows and two scalars a step.
v1::TrainResponse TwoSteps(uint64_t base_step, const std::string& scalars) {
  auto response =
      Parsed<v1::TrainResponse>("message_done: true errors: [1, 2]");
  response.set_message_number(base_step / 2 + 1);
  response.set_base_step(base_step);
  response.set_step(base_step + 2);
  response.set_next_offset(base_step + 2);
  response.set_deltas(Bytes({3, 4}));
  response.set_scalars(scalars);
  return response;
}

TEST(MergeResponseTest, NumbersFollowEachOther) {
  v1::TrainResponse merged = TwoSteps(4, "");
  ASSERT_TRUE(MergeResponse(TwoSteps(6, ""), 0, &merged));
  EXPECT_EQ(merged.first_message_number(), 3);
  EXPECT_EQ(merged.message_number(), 4);
  EXPECT_EQ(merged.base_step(), 4);
  EXPECT_EQ(merged.step(), 8);
  EXPECT_EQ(merged.next_offset(), 8);
  EXPECT_EQ(Floats(merged.deltas()), (std::vector<float>{3, 4, 3, 4}));
  EXPECT_EQ(merged.errors_size(), 4);
}

TEST(MergeResponseTest, OneScalarRowStaysOneWhereAllAreEqual) {
  v1::TrainResponse merged = TwoSteps(0, Bytes({1, 2}));
  ASSERT_TRUE(MergeResponse(TwoSteps(2, Bytes({1, 2})), 2, &merged));
  EXPECT_EQ(Floats(merged.scalars()), (std::vector<float>{1, 2}));
}

TEST(MergeResponseTest, ScalarRowsBecomeARowForEachStepWhereTheyDiffer) {
  v1::TrainResponse merged = TwoSteps(0, Bytes({1, 2}));
  ASSERT_TRUE(MergeResponse(TwoSteps(2, Bytes({5, 6, 7, 8})), 2, &merged));
  EXPECT_EQ(Floats(merged.scalars()),
            (std::vector<float>{1, 2, 1, 2, 5, 6, 7, 8}));
  ASSERT_TRUE(MergeResponse(TwoSteps(4, Bytes({9, 9})), 2, &merged));
  EXPECT_EQ(Floats(merged.scalars()),
            (std::vector<float>{1, 2, 1, 2, 5, 6, 7, 8, 9, 9, 9, 9}));
}

TEST(MergeResponseTest, EqualRowsOfTwoStepsAreStillARowForEachStep) {
  v1::TrainResponse merged = TwoSteps(0, Bytes({1, 2, 3, 4}));
  ASSERT_TRUE(MergeResponse(TwoSteps(2, Bytes({1, 2, 3, 4})), 2, &merged));
  EXPECT_EQ(Floats(merged.scalars()),
            (std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4}));
}

TEST(MergeResponseTest, NormsOfSomeStepsOnlyStayApart) {
  v1::TrainResponse merged = TwoSteps(0, "");
  v1::TrainResponse next = TwoSteps(2, "");
  next.add_gradient_norms(1);
  next.add_gradient_norms(1);
  EXPECT_FALSE(MergeResponse(next, 0, &merged));
}

TEST(MergeResponseTest, WhatOnlyOneMessageCouldHaveSaidStaysApart) {
  v1::TrainResponse merged = TwoSteps(0, "");
  const v1::TrainResponse before = merged;
  v1::TrainResponse rejected = TwoSteps(2, "");
  rejected.mutable_rejection()->set_code(3);
  v1::TrainResponse skipped = TwoSteps(2, "");
  skipped.set_skipped_samples(1);
  v1::TrainResponse learning = TwoSteps(2, "");
  learning.set_step(2);  // no steps: samples that were learnt from
  for (const v1::TrainResponse& next : {rejected, skipped, learning}) {
    EXPECT_FALSE(MergeResponse(next, 0, &merged));
    EXPECT_EQ(merged.SerializeAsString(), before.SerializeAsString());
  }
}

TEST(MergeResponseTest, HeldAnswersAreMergedWithTheirLikeOnly) {
  v1::TrainResponse held = TwoSteps(0, "");
  held.set_held(true);
  EXPECT_FALSE(MergeResponse(TwoSteps(2, ""), 0, &held));
  v1::TrainResponse present = TwoSteps(0, "");
  v1::TrainResponse next = TwoSteps(2, "");
  next.set_held(true);
  EXPECT_FALSE(MergeResponse(next, 0, &present));
  EXPECT_FALSE(present.held());
  ASSERT_TRUE(MergeResponse(next, 0, &held));
  EXPECT_TRUE(held.held());
  EXPECT_EQ(held.step(), 4);
}

class CoalesceTest : public ServiceTest {
 protected:
  const v1::TrainOptions coalesced_ =
      Parsed<v1::TrainOptions>("coalesce: true");
};

TEST_F(CoalesceTest, MessagesSentAheadAreAnsweredToTheLastStep) {
  constexpr size_t kMessages = 400;
  const v1::Session session =
      Create(With(Spec(6, {9, 3}),
                  "optimiser {sgd {momentum: 0.9} learning_rate: 1e-3 schedule "
                  "{exponential {factor: 0.999}}}"));
  ReferenceReplica replica(session, Weights(session));

  TrainCall call(stub(), session, coalesced_);
  ASSERT_TRUE(call.opening().has_value());
  std::mt19937 random(8);
  std::vector<v1::TrainRequest> messages;
  for (size_t i = 0; i < kMessages; ++i) {
    messages.push_back(RandomSamples(session, 1 + i % 3, random));
    ASSERT_TRUE(call.Write(messages.back()));
  }
  size_t answered = 0;
  size_t responses = 0;
  while (answered < kMessages) {
    const auto response = call.ReadPart();
    ASSERT_TRUE(response.has_value());
    ASSERT_FALSE(response->has_rejection());
    ++responses;
    if (response->first_message_number() != 0) {
      EXPECT_EQ(response->first_message_number(), answered + 1);
    } else {
      EXPECT_EQ(response->message_number(), answered + 1);
    }
    EXPECT_TRUE(response->message_done());
    v1::TrainRequest together;
    for (; answered < response->message_number(); ++answered) {
      together.mutable_inputs()->append(messages[answered].inputs());
    }
    replica.Apply(together, *response);
  }
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_EQ(replica.step(), Get(session).step());
  EXPECT_EQ(replica.digest(), Digest(session));
  EXPECT_LT(responses, kMessages) << "nothing was merged";
}

TEST_F(CoalesceTest, RejectionComesByItself) {
  const v1::Session session = Create(Spec(6, {9, 3}));
  TrainCall call(stub(), session, coalesced_);
  ASSERT_TRUE(call.opening().has_value());
  std::mt19937 random(9);
  for (int i = 1; i <= 100; ++i) {
    v1::TrainRequest message = RandomSamples(session, 1, random);
    if (i == 50) message.mutable_inputs()->pop_back();
    ASSERT_TRUE(call.Write(message));
  }
  uint64_t answered = 0;
  while (answered < 100) {
    const auto response = call.ReadPart();
    ASSERT_TRUE(response.has_value());
    answered = response->message_number();
    if (!response->has_rejection()) continue;
    EXPECT_EQ(answered, 50);
    EXPECT_EQ(response->first_message_number(), 0);
    EXPECT_EQ(response->step(), 49);
  }
  EXPECT_EQ(Get(session).step(), 99);
}

}  // namespace
}  // namespace backprop::testing
