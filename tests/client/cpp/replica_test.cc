// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "engine/contract/digest.h"
#include "tests/client/cpp/replica_fixture.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using testing::AddDigest;
using testing::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kAnchorStep;
using testing::kWeights;
using testing::Parsed;
using testing::ReplicaTest;
using testing::SessionMessage;
using testing::WithOptimiser;

TEST_F(ReplicaTest, AddsOuterProductsOfDeltaRowsAndInputs) {
  ASSERT_TRUE(replica_.Apply(Response(kAnchorStep, rows_), inputs_).ok());
  EXPECT_EQ(replica_.step(), kAnchorStep + 2);
  EXPECT_THAT(WeightsOf(replica_),
              ElementsAre(1.5F, 2, 1, 1, 1, 1, 1, 1, -3, 1.5F, 1, 0));
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
  AddDigest(kAnchorStep + 1, Digest(twin.weights()), &response);
  EXPECT_TRUE(replica_.Apply(response, inputs_).ok());
}

TEST_F(ReplicaTest, WrongDigestMakesItUnsoundUntilRestart) {
  v1::TrainResponse response = Response(kAnchorStep, rows_);
  AddDigest(kAnchorStep + 2, 1, &response);
  const absl::Status status = replica_.Apply(response, inputs_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("0000000000000001"));
  EXPECT_FALSE(replica_.sound());
  EXPECT_EQ(replica_.Apply(Response(replica_.step(), rows_), inputs_).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(replica_.Restart({.step = 9, .weights = before_}).ok());
  EXPECT_TRUE(replica_.Apply(Response(9, rows_), inputs_).ok());
}

TEST_F(ReplicaTest, WrongDigestWithoutStepsIsFoundToo) {
  v1::TrainResponse response = Response(kAnchorStep, {});
  AddDigest(kAnchorStep, 1, &response);
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
  Anchor anchor;
  anchor.weights.assign(kWeights + 1, 0.0F);
  EXPECT_FALSE(Replica::Create(SessionMessage(3, {3}), anchor).ok());
  anchor.weights.assign(kWeights - 1, 0.0F);
  EXPECT_FALSE(Replica::Create(SessionMessage(3, {3}), anchor).ok());
  EXPECT_FALSE(replica_.Restart(anchor).ok());
  ExpectUntouched();
}

TEST_F(ReplicaTest, ResponseWithoutDeltasIsRefusedWithTheReason) {
  v1::TrainResponse response = Response(kAnchorStep, {});
  response.set_step(kAnchorStep + 2);
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
  Anchor anchor{.weights = before_, .state = std::vector<float>(kWeights)};
  absl::StatusOr<Replica> replica = Replica::Create(
      WithOptimiser(SessionMessage(3, {3}), "sgd {momentum: 0.5}"), anchor);
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
  const v1::Session session = WithOptimiser(SessionMessage(3, {3}), "adam {}");
  Anchor anchor{.weights = before_};
  EXPECT_THAT(std::string(Replica::Create(session, anchor).status().message()),
              HasSubstr("with state"));
  anchor.state.assign(kWeights, 0.0F);  // of two vectors
  EXPECT_FALSE(Replica::Create(session, anchor).ok());
  anchor.state.assign(2 * kWeights, 0.0F);
  EXPECT_TRUE(Replica::Create(session, anchor).ok());
}

TEST_F(ReplicaTest, ScalarsOfAnyOtherLengthLeaveAllAsItWas) {
  const Anchor anchor{.step = kAnchorStep,
                      .weights = before_,
                      .state = std::vector<float>(kWeights)};
  absl::StatusOr<Replica> replica = Replica::Create(
      WithOptimiser(SessionMessage(3, {3}), "adagrad {}"), anchor);
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

TEST_F(ReplicaTest, WatchersFirstAndLastWordsChangeNothing) {
  v1::WatchDeltasResponse word;
  word.set_base_step(kAnchorStep);
  word.set_step(kAnchorStep);
  EXPECT_TRUE(replica_.Apply(word).ok());
  word.set_goodbye(true);
  EXPECT_TRUE(replica_.Apply(word).ok());
  EXPECT_TRUE(
      replica_.Apply(Parsed<v1::WatchDeltasResponse>("session_deleted: true"))
          .ok());
  word.clear_goodbye();
  word.set_step(90);
  word.set_resync(true);
  const absl::Status status = replica_.Apply(word);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("step 90"));
  ExpectUntouched();
}

TEST_F(ReplicaTest, HostileLayoutIsRefused) {
  v1::Session session = SessionMessage(3, {3});
  session.mutable_layout()->mutable_layers(0)->set_delta_length(1000);
  session.mutable_layout()->set_delta_row_length(1000);
  Anchor anchor;
  anchor.weights.assign(kWeights, 0.0F);
  EXPECT_FALSE(Replica::Create(session, anchor).ok());
}

}  // namespace
}  // namespace backprop
