// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "client/cpp/replica.h"
#include "tests/client/cpp/replica_fixture.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::kWeights;
using testing::Parsed;
using testing::ReplicaTest;
using testing::SessionMessage;

TEST_F(ReplicaTest, BytesAreScaledAsTheNetworkSawThem) {
  v1::Session session = SessionMessage(3, {3});
  session.mutable_spec()->mutable_input()->set_element_type(
      v1::ELEMENT_TYPE_UINT8);
  session.mutable_spec()->mutable_input()->set_scale(0.5F);
  Anchor anchor;
  anchor.weights.assign(kWeights, 0.0F);
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok());
  ASSERT_TRUE(replica->Apply(Response(0, {1, 0, 0}), "\x02\x04\xff").ok());
  EXPECT_EQ(replica->weights()[0], 1.0F);
  EXPECT_EQ(replica->weights()[2], 127.5F);
}

// 3 inputs of which the replica learns mean and factor on the way.
class StandardisedReplicaTest : public ReplicaTest {
 protected:
  static v1::Session Learning() {
    v1::Session session = SessionMessage(3, {3});
    *session.mutable_spec()->mutable_input()->mutable_standardisation() =
        Parsed<v1::Standardisation>("learn_samples: 2");
    return session;
  }

  const v1::Standardisation learnt_ =
      Parsed<v1::Standardisation>("mean: [1, 2, 4] factor: [0.5, 0.5, 0.5]");
  const Anchor anchor_{.weights = std::vector<float>(kWeights)};
};

TEST_F(StandardisedReplicaTest, WhatAResponseSaysHoldsForItsOwnAndLaterSteps) {
  absl::StatusOr<Replica> replica = Replica::Create(Learning(), anchor_);
  ASSERT_TRUE(replica.ok());
  v1::TrainResponse learnt = Response(0, {});
  *learnt.mutable_standardisation() = learnt_;
  ASSERT_TRUE(replica->Apply(learnt, "").ok());
  ASSERT_TRUE(replica->Apply(Response(0, {1, 0, 0}), Bytes({3, 2, 0})).ok());
  EXPECT_THAT(replica->weights().first(3), ElementsAre(1, 0, -2));
}

TEST_F(StandardisedReplicaTest, AnchorsStandardisationIsUsed) {
  Anchor anchor = anchor_;
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
  *response.mutable_standardisation() = learnt_;
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

}  // namespace
}  // namespace backprop
