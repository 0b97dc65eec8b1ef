// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_CLIENT_CPP_REPLICA_FIXTURE_H_
#define BACKPROP_TESTS_CLIENT_CPP_REPLICA_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cpp/replica.h"
#include "tests/client/cpp/session_message.h"

namespace backprop::testing {

// 3 inputs, 3 outputs, one sample a step: 6 < 9, so the layer is FACTORED.
// Its delta row is u (3); the sample's inputs are a.
constexpr uint64_t kAnchorStep = 5;
constexpr size_t kWeights = 12;

class ReplicaTest : public ::testing::Test {
 protected:
  static Replica At(uint64_t step) {
    Anchor anchor{.step = step};
    anchor.weights.assign(kWeights, 1.0F);
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

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_CPP_REPLICA_FIXTURE_H_
