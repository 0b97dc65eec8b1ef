// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "engine/digest.h"
#include "tests/client/session_message.h"

namespace backprop {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SessionMessage;

// 3 inputs, 3 outputs, one sample a step: 6 < 9, so the layer is FACTORED.
// Its delta row is u (3); the sample's inputs are a.
constexpr uint64_t kAnchorStep = 5;
constexpr size_t kWeights = 12;

class ReplicaTest : public ::testing::Test {
 protected:
  static Replica At(uint64_t step) {
    Weights anchor{.step = step};
    anchor.values.assign(kWeights, 1.0F);
    absl::StatusOr<Replica> replica =
        Replica::Create(SessionMessage(3, {3}), anchor);
    EXPECT_TRUE(replica.ok()) << replica.status();
    return *std::move(replica);
  }

  static v1::TrainResponse Response(uint64_t base_step,
                                    const std::vector<float>& rows) {
    v1::TrainResponse response;
    response.set_base_step(base_step);
    response.set_step(base_step + rows.size() / 3);
    response.set_deltas(Bytes(rows));
    return response;
  }

  static std::vector<float> WeightsOf(const Replica& replica) {
    return {replica.weights().begin(), replica.weights().end()};
  }

  Replica replica_ = At(kAnchorStep);
  const std::vector<float> before_ = WeightsOf(replica_);
  const std::string inputs_ = Bytes({1, 2, 0, 0, 0, 4});  // two samples
  const std::vector<float> rows_ = {0.5F, 0, 0, 0, 0, -1};

  void ExpectUntouched() {
    EXPECT_EQ(replica_.step(), kAnchorStep);
    EXPECT_EQ(WeightsOf(replica_), before_);
  }
};

TEST_F(ReplicaTest, AddsOuterProductsOfDeltaRowsAndInputs) {
  ASSERT_TRUE(replica_.Apply(Response(kAnchorStep, rows_), inputs_).ok());
  EXPECT_EQ(replica_.step(), kAnchorStep + 2);
  EXPECT_THAT(WeightsOf(replica_),
              ElementsAre(1.5F, 2, 1, 1, 1, 1, 1, 1, -3, 1.5F, 1, 0));
}

TEST_F(ReplicaTest, BytesAreScaledAsTheNetworkSawThem) {
  v1::Session session = SessionMessage(3, {3});
  session.mutable_spec()->mutable_input()->set_element_type(
      v1::ELEMENT_TYPE_UINT8);
  session.mutable_spec()->mutable_input()->set_scale(0.5F);
  Weights anchor;
  anchor.values.assign(kWeights, 0.0F);
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok());
  ASSERT_TRUE(replica->Apply(Response(0, {1, 0, 0}), "\x02\x04\xff").ok());
  EXPECT_EQ(replica->weights()[0], 1.0F);
  EXPECT_EQ(replica->weights()[2], 127.5F);
}

TEST_F(ReplicaTest, GapIsRefusedNamingBothSteps) {
  const absl::Status status =
      replica_.Apply(Response(kAnchorStep + 2, rows_), inputs_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("step 5"), HasSubstr("step 7"), HasSubstr("anchor")));
  ExpectUntouched();
}

TEST_F(ReplicaTest, RepeatIsRefused) {
  ASSERT_TRUE(replica_.Apply(Response(kAnchorStep, rows_), inputs_).ok());
  EXPECT_EQ(replica_.Apply(Response(kAnchorStep, rows_), inputs_).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(ReplicaTest, WrongLengthsLeaveEveryWeightAsItWas) {
  v1::TrainResponse one_row_short = Response(kAnchorStep, rows_);
  one_row_short.set_step(kAnchorStep + 3);
  v1::TrainResponse cut_row = Response(kAnchorStep, rows_);
  cut_row.mutable_deltas()->pop_back();
  v1::TrainResponse backwards = Response(kAnchorStep, rows_);
  backwards.set_step(kAnchorStep - 1);
  v1::TrainResponse overflowing = Response(kAnchorStep, {});
  overflowing.set_step(std::numeric_limits<uint64_t>::max());
  for (const auto& response : {one_row_short, cut_row, backwards, overflowing})
    EXPECT_EQ(replica_.Apply(response, inputs_).code(),
              absl::StatusCode::kInvalidArgument);
  const v1::TrainResponse good = Response(kAnchorStep, rows_);
  for (const std::string& inputs :
       {std::string(), inputs_.substr(1), inputs_ + inputs_})
    EXPECT_EQ(replica_.Apply(good, inputs).code(),
              absl::StatusCode::kInvalidArgument);
  ExpectUntouched();
}

TEST_F(ReplicaTest, InputThatIsNotFiniteInALaterStepLeavesAllAsItWas) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(
      replica_.Apply(Response(kAnchorStep, rows_), Bytes({1, 2, 0, 0, nan, 4}))
          .code(),
      absl::StatusCode::kInvalidArgument);
  ExpectUntouched();
}

TEST_F(ReplicaTest, DigestOfAMiddleStepIsCheckedAtThatStep) {
  Replica twin = At(kAnchorStep);
  ASSERT_TRUE(twin.Apply(Response(kAnchorStep, {0.5F, 0, 0}),
                         inputs_.substr(0, 3 * sizeof(float)))
                  .ok());
  v1::TrainResponse response = Response(kAnchorStep, rows_);
  v1::StepDigest* digest = response.add_digests();
  digest->set_step(kAnchorStep + 1);
  digest->set_digest(Digest(twin.weights()));
  EXPECT_TRUE(replica_.Apply(response, inputs_).ok());
}

TEST_F(ReplicaTest, WrongDigestMakesItUnsoundUntilRestart) {
  v1::TrainResponse response = Response(kAnchorStep, rows_);
  v1::StepDigest* digest = response.add_digests();
  digest->set_step(kAnchorStep + 2);
  digest->set_digest(1);
  const absl::Status status = replica_.Apply(response, inputs_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0000000000000001"));
  EXPECT_FALSE(replica_.sound());
  EXPECT_EQ(replica_.Apply(Response(replica_.step(), rows_), inputs_).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(replica_.Restart({.step = 9, .values = before_}).ok());
  EXPECT_TRUE(replica_.Apply(Response(9, rows_), inputs_).ok());
}

TEST_F(ReplicaTest, WrongDigestWithoutStepsIsFoundToo) {
  v1::TrainResponse response = Response(kAnchorStep, {});
  v1::StepDigest* digest = response.add_digests();
  digest->set_step(kAnchorStep);
  digest->set_digest(1);
  EXPECT_EQ(replica_.Apply(response, "").code(), absl::StatusCode::kDataLoss);
}

TEST_F(ReplicaTest, DigestOfAStepOutsideTheResponseIsRefused) {
  v1::TrainResponse response = Response(kAnchorStep, rows_);
  response.add_digests()->set_step(kAnchorStep + 3);
  EXPECT_EQ(replica_.Apply(response, inputs_).code(),
            absl::StatusCode::kInvalidArgument);
  ExpectUntouched();
}

TEST_F(ReplicaTest, AnchorOfAnotherNetworkIsRefused) {
  Weights anchor;
  anchor.values.assign(kWeights + 1, 0.0F);
  EXPECT_FALSE(Replica::Create(SessionMessage(3, {3}), anchor).ok());
  anchor.values.assign(kWeights - 1, 0.0F);
  EXPECT_FALSE(Replica::Create(SessionMessage(3, {3}), anchor).ok());
  EXPECT_FALSE(replica_.Restart(anchor).ok());
  ExpectUntouched();
}

TEST_F(ReplicaTest, HostileLayoutIsRefused) {
  v1::Session session = SessionMessage(3, {3});
  session.mutable_layout()->mutable_layers(0)->set_delta_length(1000);
  session.mutable_layout()->set_delta_row_length(1000);
  Weights anchor;
  anchor.values.assign(kWeights, 0.0F);
  EXPECT_FALSE(Replica::Create(session, anchor).ok());
}

}  // namespace
}  // namespace backprop
