// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cpp/replica.h"
#include "tests/client/cpp/replica_fixture.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using ::testing::HasSubstr;
using testing::kAnchorStep;
using testing::ReplicaTest;
using testing::SessionMessage;
using testing::WithOptimiser;

TEST_F(ReplicaTest, VerificationNamesTheFirstNumberThatDiffers) {
  Anchor anchor{.step = kAnchorStep, .weights = before_};
  EXPECT_TRUE(replica_.Verify(anchor).ok());
  anchor.weights[10] = 7;
  EXPECT_THAT(std::string(replica_.Verify(anchor).message()),
              HasSubstr("layers[0].bias[1]: 1 here, 7 on the server"));
  anchor.weights[5] = 0.25F;
  const absl::Status status = replica_.Verify(anchor);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("layers[0].weights[1][2]: 1 here, 0.25 on the server"));
  anchor.step = 6;
  EXPECT_EQ(replica_.Verify(anchor).code(),
            absl::StatusCode::kFailedPrecondition);
  anchor.weights.pop_back();
  EXPECT_EQ(replica_.Verify(anchor).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ReplicaTest, VerificationFindsStateAndDeeperLayersToo) {
  const v1::Session session =
      WithOptimiser(SessionMessage(5, {4, 2}), "adam {}");
  Anchor anchor{.weights = std::vector<float>(34),
                .state = std::vector<float>(68)};
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok()) << replica.status();
  anchor.state[34 + 24 + 6] = 1;
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("state 1 differs, first in layers[1].weights[1][2]"));
  anchor.weights[33] = -0.0F;  // equal as numbers, not as bits
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("layers[1].bias[1]: 0 here, -0 on the server"));
}

TEST_F(ReplicaTest, StateOfDenseLayersIsTheServersAlone) {
  const v1::Session session =
      WithOptimiser(SessionMessage(3, {3, 1}), "sgd {momentum: 0.5}");
  ASSERT_EQ(session.layout().layers(1).delta_form(), v1::DELTA_FORM_DENSE);
  Anchor anchor{.weights = std::vector<float>(16),
                .state = std::vector<float>(16)};
  absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
  ASSERT_TRUE(replica.ok()) << replica.status();
  anchor.state[12] = 1;
  EXPECT_TRUE(replica->Verify(anchor).ok());
  anchor.state[11] = 1;
  EXPECT_THAT(std::string(replica->Verify(anchor).message()),
              HasSubstr("state 0 differs, first in layers[0].bias[2]"));
}

}  // namespace
}  // namespace backprop
