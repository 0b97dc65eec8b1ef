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
using testing::WithOptimiser;

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

TEST_F(ReplicaTest, ResponseWithoutDeltasIsRefusedWithTheReason) {
  const v1::TrainResponse response = [] {
    v1::TrainResponse r = Response(kAnchorStep, {});
    r.set_step(kAnchorStep + 2);
    return r;
  }();
  const absl::Status told =
      replica_.Apply(response, inputs_, v1::DELTA_DETAIL_NONE);
  EXPECT_EQ(told.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(told.message()), HasSubstr("DELTA_DETAIL_NONE"));
  EXPECT_THAT(std::string(replica_.Apply(response, inputs_).message()),
              HasSubstr("opened without deltas"));
  ExpectUntouched();
}

TEST_F(ReplicaTest, DeltasInFullAreAddedAsTheyAre) {
  v1::TrainResponse response = Response(kAnchorStep, {});
  response.set_step(kAnchorStep + 1);
  std::vector<float> row(kWeights);
  row[3] = 2;
  row[11] = -0.5F;
  response.set_deltas(Bytes(row));
  ASSERT_TRUE(replica_.Apply(response, "", v1::DELTA_DETAIL_DENSE).ok());
  EXPECT_THAT(WeightsOf(replica_),
              ElementsAre(1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 0.5F));
  // There is no state that could have been left behind.
  EXPECT_TRUE(replica_.Apply(Response(kAnchorStep + 1, rows_), inputs_).ok());
  response.set_base_step(kAnchorStep + 3);
  response.set_step(kAnchorStep + 4);
  response.mutable_deltas()->pop_back();
  EXPECT_EQ(replica_.Apply(response, "", v1::DELTA_DETAIL_DENSE).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ReplicaTest, FactorsAfterDeltasInFullNeedANewStateFirst) {
  v1::Optimiser momentum;
  momentum.mutable_sgd()->set_momentum(0.5F);
  Weights anchor{.values = before_, .state = std::vector<float>(kWeights)};
  absl::StatusOr<Replica> replica =
      Replica::Create(WithOptimiser(SessionMessage(3, {3}), momentum), anchor);
  ASSERT_TRUE(replica.ok()) << replica.status();
  v1::TrainResponse full = Response(0, {});
  full.set_step(1);
  full.set_deltas(Bytes(std::vector<float>(kWeights)));
  ASSERT_TRUE(replica->Apply(full, "", v1::DELTA_DETAIL_DENSE).ok());
  v1::TrainResponse factors = Response(1, {1, 0, 0});
  factors.set_scalars(Bytes({1, 0, 0, 0, 0, 0.5F}));
  const std::string inputs = Bytes({1, 2, 3});
  const absl::Status status = replica->Apply(factors, inputs);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("DENSE"), HasSubstr("anchor with state")));
  anchor.step = 1;
  ASSERT_TRUE(replica->Restart(anchor).ok());
  EXPECT_TRUE(replica->Apply(factors, inputs).ok());
}

TEST_F(ReplicaTest, OptimiserWithStateNeedsItInTheAnchor) {
  v1::Optimiser adam;
  adam.mutable_adam();
  const v1::Session session = WithOptimiser(SessionMessage(3, {3}), adam);
  Weights anchor{.values = before_};
  EXPECT_THAT(std::string(Replica::Create(session, anchor).status().message()),
              HasSubstr("with state"));
  anchor.state.assign(kWeights, 0.0F);  // of two vectors
  EXPECT_FALSE(Replica::Create(session, anchor).ok());
  anchor.state.assign(2 * kWeights, 0.0F);
  EXPECT_TRUE(Replica::Create(session, anchor).ok());
}

TEST_F(ReplicaTest, ScalarsOfAnyOtherLengthLeaveAllAsItWas) {
  v1::Optimiser adagrad;
  adagrad.mutable_adagrad();
  const Weights anchor{.step = kAnchorStep,
                       .values = before_,
                       .state = std::vector<float>(kWeights)};
  absl::StatusOr<Replica> replica =
      Replica::Create(WithOptimiser(SessionMessage(3, {3}), adagrad), anchor);
  ASSERT_TRUE(replica.ok());
  v1::TrainResponse response = Response(kAnchorStep, rows_);
  for (const size_t count : {0, 5, 7, 11, 18}) {
    response.set_scalars(Bytes(std::vector<float>(count)));
    EXPECT_EQ(replica->Apply(response, inputs_).code(),
              absl::StatusCode::kInvalidArgument)
        << count;
  }
  EXPECT_EQ(WeightsOf(*replica), before_);
}

// 3 inputs of which the replica learns mean and factor on the way.
class StandardisedReplicaTest : public ReplicaTest {
 protected:
  static v1::Session Learning() {
    v1::Session session = SessionMessage(3, {3});
    session.mutable_spec()
        ->mutable_input()
        ->mutable_standardisation()
        ->set_learn_samples(2);
    return session;
  }
  static void Learn(v1::Standardisation* standardisation) {
    for (const float mean : {1.0F, 2.0F, 4.0F}) {
      standardisation->add_mean(mean);
      standardisation->add_factor(0.5F);
    }
  }

  const Weights anchor_{.values = std::vector<float>(kWeights)};
};

TEST_F(StandardisedReplicaTest, WhatAResponseSaysHoldsForItsOwnAndLaterSteps) {
  absl::StatusOr<Replica> replica = Replica::Create(Learning(), anchor_);
  ASSERT_TRUE(replica.ok());
  v1::TrainResponse learnt = Response(0, {});
  Learn(learnt.mutable_standardisation());
  ASSERT_TRUE(replica->Apply(learnt, "").ok());
  ASSERT_TRUE(replica->Apply(Response(0, {1, 0, 0}), Bytes({3, 2, 0})).ok());
  EXPECT_THAT(replica->weights().first(3), ElementsAre(1, 0, -2));
}

TEST_F(StandardisedReplicaTest, AnchorsStandardisationIsUsed) {
  Weights anchor = anchor_;
  anchor.mean = {1, 2, 4};
  anchor.factor = {0.5F, 0.5F, 0.5F};
  absl::StatusOr<Replica> replica = Replica::Create(Learning(), anchor);
  ASSERT_TRUE(replica.ok());
  ASSERT_TRUE(replica->Apply(Response(0, {1, 0, 0}), Bytes({3, 2, 0})).ok());
  EXPECT_THAT(replica->weights().first(3), ElementsAre(1, 0, -2));
  anchor.factor.pop_back();
  EXPECT_FALSE(Replica::Create(Learning(), anchor).ok());
}

TEST_F(StandardisedReplicaTest, StepsBeforeItIsKnownAreRefused) {
  absl::StatusOr<Replica> replica = Replica::Create(Learning(), anchor_);
  ASSERT_TRUE(replica.ok());
  EXPECT_EQ(replica->Apply(Response(0, {1, 0, 0}), Bytes({3, 2, 0})).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(StandardisedReplicaTest, NumbersThatCannotBeLeaveAllAsItWas) {
  absl::StatusOr<Replica> replica = Replica::Create(Learning(), anchor_);
  ASSERT_TRUE(replica.ok());
  v1::TrainResponse response = Response(0, {1, 0, 0});
  Learn(response.mutable_standardisation());
  response.mutable_standardisation()->set_factor(
      1, std::numeric_limits<float>::infinity());
  EXPECT_FALSE(replica->Apply(response, Bytes({3, 2, 0})).ok());
  response.mutable_standardisation()->mutable_factor()->RemoveLast();
  EXPECT_FALSE(replica->Apply(response, Bytes({3, 2, 0})).ok());
  EXPECT_EQ(replica->step(), 0U);
  EXPECT_TRUE(replica->input_format().mean.empty());
}

TEST_F(StandardisedReplicaTest, WatchedValuesAreTakenAsTheNetworkSawThem) {
  v1::Session session = Learning();
  session.mutable_spec()->mutable_input()->set_element_type(
      v1::ELEMENT_TYPE_UINT8);
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor_);
  ASSERT_TRUE(replica.ok());
  v1::WatchDeltasResponse response;
  response.set_step(1);
  response.set_deltas(Bytes({1, 0, 0}));
  response.set_inputs(Bytes({3, 2, -7}));
  response.set_inputs_are_values(true);
  ASSERT_TRUE(replica->Apply(response).ok());
  EXPECT_THAT(replica->weights().first(3), ElementsAre(3, 2, -7));
}

TEST_F(ReplicaTest, WatchersFirstAndLastWordsChangeNothing) {
  v1::WatchDeltasResponse word;
  word.set_base_step(kAnchorStep);
  word.set_step(kAnchorStep);
  EXPECT_TRUE(replica_.Apply(word).ok());
  word.set_goodbye(true);
  EXPECT_TRUE(replica_.Apply(word).ok());
  v1::WatchDeltasResponse deleted;
  deleted.set_session_deleted(true);
  EXPECT_TRUE(replica_.Apply(deleted).ok());
  v1::WatchDeltasResponse resync;
  resync.set_base_step(kAnchorStep);
  resync.set_step(90);
  resync.set_resync(true);
  const absl::Status status = replica_.Apply(resync);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("step 90"));
  ExpectUntouched();
}

TEST_F(ReplicaTest, VerificationNamesTheFirstNumberThatDiffers) {
  Weights anchor{.step = kAnchorStep, .values = before_};
  EXPECT_TRUE(replica_.Verify(anchor).ok());
  anchor.values[10] = 7;
  EXPECT_THAT(std::string(replica_.Verify(anchor).message()),
              HasSubstr("layers[0].bias[1]: 1 here, 7 on the server"));
  anchor.values[5] = 0.25F;
  const absl::Status status = replica_.Verify(anchor);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("layers[0].weights[1][2]: 1 here, 0.25 on the server"));
  anchor.step = 6;
  EXPECT_EQ(replica_.Verify(anchor).code(),
            absl::StatusCode::kFailedPrecondition);
  anchor.values.pop_back();
  EXPECT_EQ(replica_.Verify(anchor).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReplicaTest, VerificationFindsStateAndDeeperLayersToo) {
  v1::Optimiser adam;
  adam.mutable_adam();
  const v1::Session session = WithOptimiser(SessionMessage(5, {4, 2}), adam);
  Weights anchor{.values = std::vector<float>(34),
                 .state = std::vector<float>(68)};
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok()) << replica.status();
  anchor.state[34 + 24 + 6] = 1;
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("state 1 differs, first in layers[1].weights[1][2]"));
  anchor.values[33] = -0.0F;  // equal as numbers, not as bits
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("layers[1].bias[1]: 0 here, -0 on the server"));
}

TEST_F(ReplicaTest, StateOfDenseLayersIsTheServersAlone) {
  v1::Optimiser momentum;
  momentum.mutable_sgd()->set_momentum(0.5F);
  const v1::Session session =
      WithOptimiser(SessionMessage(3, {3, 1}), momentum);
  ASSERT_EQ(session.layout().layers(1).delta_form(), v1::DELTA_FORM_DENSE);
  Weights anchor{.values = std::vector<float>(16),
                 .state = std::vector<float>(16)};
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok()) << replica.status();
  anchor.state[12] = 1;
  EXPECT_TRUE(replica->Verify(anchor).ok());
  anchor.state[11] = 1;
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("state 0 differs, first in layers[0].bias[2]"));
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
