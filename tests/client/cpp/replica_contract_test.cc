// SPDX-License-Identifier: Apache-2.0
//
// The client's replica against one written from delta.proto alone: the same
// bits for every optimiser, form and way that deltas arrive.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "client/cpp/replica.h"
#include "engine/contract/digest.h"
#include "tests/client/cpp/session_message.h"
#include "tests/twins/session_twin.h"

namespace backprop {
namespace {

using testing::Bytes;
using testing::SessionMessage;
using testing::TakeStep;
using testing::TwinSession;
using testing::TwinSessionOf;
using testing::WithOptimiser;

constexpr size_t kInputs = 12;
constexpr size_t kSteps = 5;
constexpr uint64_t kFirstStep = 61;  // state is flushed after step 64

class Numbers {
 public:
  std::vector<float> Draw(size_t count, float low = -1, float high = 1) {
    std::vector<float> numbers;
    for (size_t i = 0; i < count; ++i)
      numbers.push_back(
          std::uniform_real_distribution<float>(low, high)(from_));
    return numbers;
  }

 private:
  std::mt19937 from_{7};
};

struct Case {
  std::string name;
  std::string optimiser;  // text of v1::Optimiser; empty: plain descent
  // l2, l1, decay, clip: 0 or not, as the scalar rows shall have them.
  bool decays = false;
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

// Scalars that an optimiser could have: all in (0, 1), so no square overflows.
std::vector<float> ScalarRow(const v1::Session& session, bool decays,
                             Numbers* numbers) {
  std::vector<float> row =
      numbers->Draw(session.layout().scalar_count(), 0.05F, 0.9F);
  if (!decays && !row.empty()) std::fill(row.begin() + 1, row.begin() + 5, 0);
  if (!row.empty() && session.spec().optimiser().has_sgd() &&
      session.spec().optimiser().sgd().momentum() == 0)
    row[5] = 0;
  return row;
}

v1::Session SessionOf(const Case& test, uint32_t batch_size) {
  // Layer 0 is FACTORED for batches up to 4, layer 1 too, layer 2 is DENSE.
  v1::Session session = SessionMessage(kInputs, {11, 9, 1}, batch_size);
  EXPECT_EQ(session.layout().layers(0).delta_form(), v1::DELTA_FORM_FACTORED);
  EXPECT_EQ(session.layout().layers(1).delta_form(), v1::DELTA_FORM_FACTORED);
  EXPECT_EQ(session.layout().layers(2).delta_form(), v1::DELTA_FORM_DENSE);
  if (test.optimiser.empty()) return session;
  return WithOptimiser(session, test.optimiser.c_str());
}

class ReplicaContractTest : public ::testing::TestWithParam<Case> {
 protected:
  // Follows kSteps steps with both replicas, in messages of Train or Watch.
  void Follow(uint32_t batch_size, bool one_scalar_row, bool watching) {
    const v1::Session session = SessionOf(GetParam(), batch_size);
    const size_t count = session.layout().weight_count();
    Anchor anchor{
        .step = kFirstStep,
        .weights = numbers_.Draw(count),
        .state = numbers_.Draw(session.layout().state_count() * count, 0.01F)};
    // Where it is this small and no gradient feeds it, as in column 0 of the
    // first layer, it is 0 after step 64.
    for (size_t i = 0; i < anchor.state.size(); i += kInputs) {
      anchor.state[i] *= 0x1p-120F;
    }
    const TwinSession twin = TwinSessionOf(session);
    std::vector<float> weights = anchor.weights;
    std::vector<float> state = anchor.state;
    absl::StatusOr<Replica> replica = Replica::Create(session, anchor);
    ASSERT_TRUE(replica.ok()) << replica.status();

    std::string rows, inputs, scalars;
    std::vector<float> scalar_row =
        ScalarRow(session, GetParam().decays, &numbers_);
    if (one_scalar_row) scalars = Bytes(scalar_row);
    for (size_t i = 0; i < kSteps; ++i) {
      const auto row = numbers_.Draw(session.layout().delta_row_length());
      auto x = numbers_.Draw(batch_size * kInputs);
      for (size_t s = 0; s < x.size(); s += kInputs) x[s] = 0;
      if (!one_scalar_row) {
        scalar_row = ScalarRow(session, GetParam().decays, &numbers_);
        scalars += Bytes(scalar_row);
      }
      TakeStep(twin,
               {.row = row,
                .x = x,
                .scalars = scalar_row,
                .number = kFirstStep + i + 1},
               weights, state);
      rows += Bytes(row);
      inputs += Bytes(x);
    }
    const auto fill = [&](auto* response) {
      response->set_base_step(kFirstStep);
      response->set_step(kFirstStep + kSteps);
      response->set_deltas(rows);
      response->set_scalars(scalars);
      testing::AddDigest(kFirstStep + kSteps, Digest(weights), response);
    };
    absl::Status status;
    if (watching) {
      v1::WatchDeltasResponse response;
      fill(&response);
      response.set_inputs(inputs);
      status = replica->Apply(response);
    } else {
      v1::TrainResponse response;
      fill(&response);
      status = replica->Apply(response, inputs);
    }
    EXPECT_TRUE(status.ok()) << status;
    status = replica->Verify(
        {.step = kFirstStep + kSteps, .weights = weights, .state = state});
    EXPECT_TRUE(status.ok()) << status;
  }

  Numbers numbers_;
};

TEST_P(ReplicaContractTest, OneSampleAStepGivesTheSameBits) {
  Follow(1, false, false);
}
TEST_P(ReplicaContractTest, SeveralSamplesAStepGiveTheSameBits) {
  Follow(2, false, false);
}
TEST_P(ReplicaContractTest, OneRowOfScalarsHoldsForAllSteps) {
  Follow(1, true, false);
}
TEST_P(ReplicaContractTest, WatcherGetsTheSameBits) { Follow(2, false, true); }

INSTANTIATE_TEST_SUITE_P(
    Optimisers, ReplicaContractTest,
    ::testing::Values(
        Case{"Plain", ""}, Case{"PlainWithDecay", "sgd {} l2: 0.1", true},
        Case{"Momentum", "sgd { momentum: 0.9 }"},
        Case{"NesterovWithDecay", "sgd { momentum: 0.9 nesterov: true }", true},
        Case{"Adagrad", "adagrad {}"},
        Case{"AdagradWithDecay", "adagrad {}", true},
        Case{"RmsPropWithDecay", "rms_prop {}", true}, Case{"Adam", "adam {}"},
        Case{"AdamW", "adam {} decoupled_decay: 0.01", true},
        Case{"Lion", "lion {}"},
        Case{"LionWithDecay", "lion {} decoupled_decay: 0.1", true}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace backprop
