// SPDX-License-Identifier: Apache-2.0
//
// Steps that must not be applied: a non-finite error, or a delta that might
// exceed 2^96.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/training/trainer.h"
#include "tests/engine/parameters.h"
#include "tests/engine/problem.h"
#include "tests/twins/replay.h"

namespace backprop::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kSteps = 40;
constexpr size_t kBadStep = 6;

// Networks with hidden layers, on the way of which NaN could get lost: a small
// one, and two whose weights a fast engine treats as large.
const Shape kDeepShapes[] = {
    {5, {6, 4, 3}}, {20, {120, 100, 3}}, {4, {100, 95}}};

class TrainerRefusalTest : public ::testing::TestWithParam<Form> {
 protected:
  Problem Make(const NetworkSpec& network, size_t steps) const {
    return MakeProblem(
        network, MakeLayout(network, GetParam().batch_size, GetParam().form),
        0.05F, steps, 7);
  }

  Problem MakeDeep(const Shape& shape) const {
    return Make(MakeNetwork(shape, {Activation::kRelu, Activation::kIdentity}),
                kSteps);
  }

  // One step.
  Problem MakeSmall(const Shape& shape, Activation hidden,
                    Activation output) const {
    return Make(MakeNetwork(shape, {hidden, output}), 1);
  }

  // One weight, one bias, identity, all numbers 0.
  Problem MakeTiny() const {
    Problem problem =
        MakeSmall({1, {1}}, Activation::kIdentity, Activation::kIdentity);
    problem.weights = {0, 0};
    problem.inputs.assign(GetParam().batch_size, 0.0F);
    problem.targets.assign(GetParam().batch_size, 0.0F);
    return problem;
  }

  void ExpectRefusedAtOnce(const Problem& problem) {
    const Results results = Train(trainer_, problem);
    EXPECT_EQ(results.applied, 0);
    EXPECT_EQ(Bits(results.weights), Bits(problem.weights));
    ExpectTrainerUnharmed();
  }

  // What a refused step left in the scratch memory must reach no later step.
  void ExpectTrainerUnharmed() {
    for (const Shape& shape : kDeepShapes) {
      const Problem problem = MakeDeep(shape);
      Trainer fresh;
      const Results expected = Train(fresh, problem);
      const Results got = Train(trainer_, problem);
      EXPECT_EQ(got.applied, kSteps);
      EXPECT_EQ(Bits(got.weights), Bits(expected.weights));
      EXPECT_EQ(Bits(got.errors), Bits(expected.errors));
    }
  }

  // The weights must be those before plus the deltas of the applied steps.
  static void ExpectWhole(const Problem& problem, const Results& results) {
    ExpectReplayed(problem, results);
    for (const float weight : results.weights) {
      ASSERT_TRUE(std::isfinite(weight)) << problem.name();
    }
    for (size_t t = 0; t < results.applied; ++t) {
      EXPECT_TRUE(std::isfinite(results.errors[t])) << problem.name();
    }
  }

  Trainer trainer_;
};

INSTANTIATE_TEST_SUITE_P(Forms, TrainerRefusalTest,
                         ::testing::ValuesIn(kEveryForm), FormName);

TEST_P(TrainerRefusalTest, LearningRatesThatAreNoNumbersOrHugeAreRefused) {
  for (const Shape& shape : kDeepShapes) {
    for (const float rate :
         {kNan, kInfinity, -kInfinity, std::numeric_limits<float>::max()}) {
      Problem problem = MakeDeep(shape);
      problem.schedule.learning_rate = rate;
      ExpectRefusedAtOnce(problem);
    }
  }
}

TEST_P(TrainerRefusalTest, NonFiniteErrorLeavesWeightsUnchanged) {
  for (const Shape& shape : kDeepShapes) {
    // The last sample of a step in the middle has a target whose square
    // overflows; the delta that it asks for would be within bounds.
    Problem problem = MakeDeep(shape);
    const size_t outputs = problem.layout.output_size();
    const size_t samples = (kBadStep + 1) * GetParam().batch_size;
    problem.targets[samples * outputs - 1] = 6e19F;
    const Results results = Train(trainer_, problem);
    EXPECT_EQ(results.applied, kBadStep) << problem.name();
    EXPECT_NE(Bits(results.weights), Bits(problem.weights));
    ExpectWhole(problem, results);
    ExpectTrainerUnharmed();
  }
}

TEST_P(TrainerRefusalTest, ARunThatDivergesEndsBeforeItBreaksTheWeights) {
  for (const Shape& shape : kDeepShapes) {
    // This step is possible, but after it the network is out of its mind.
    Problem problem = MakeDeep(shape);
    const size_t outputs = problem.layout.output_size();
    problem.targets[kBadStep * GetParam().batch_size * outputs] = 1e18F;
    const Results results = Train(trainer_, problem);
    EXPECT_GT(results.applied, kBadStep) << problem.name();
    EXPECT_LT(results.applied, kSteps) << problem.name();
    ExpectWhole(problem, results);
    EXPECT_EQ(Train(trainer_, problem, {.lengths = {1}}).applied,
              results.applied)
        << problem.name();
    ExpectTrainerUnharmed();
  }
}

TEST_P(TrainerRefusalTest, ErrorsUpToTheLargestFloatAreFine) {
  Problem problem = MakeTiny();
  problem.schedule.learning_rate = 0x1p-40F;
  problem.targets.assign(GetParam().batch_size, 0x1.8p64F);  // E = 1.125·2^128
  ExpectRefusedAtOnce(problem);
  problem.targets.assign(GetParam().batch_size, 0x1p64F);  // E = 2^127
  const Results results = Train(trainer_, problem);
  EXPECT_EQ(results.applied, 1);
  EXPECT_EQ(results.errors[0], 0x1p127F);
}

TEST_P(TrainerRefusalTest, WeightDeltasBeyondTheBoundAreRefused) {
  Problem problem = MakeTiny();
  problem.schedule.learning_rate = 1;
  problem.inputs.assign(GetParam().batch_size, 0x1p50F);
  // The weight's D is α·d·x = 2^97 and the error only 2^93.
  problem.targets.assign(GetParam().batch_size, 0x1p47F);
  ExpectRefusedAtOnce(problem);
  problem.targets.assign(GetParam().batch_size, 0x1p45F);  // D = 2^95
  const Results results = Train(trainer_, problem);
  EXPECT_EQ(results.applied, 1);
  EXPECT_NEAR(results.weights[0] / 0x1p95F, 1, 1e-6);
}

TEST_P(TrainerRefusalTest, BiasDeltasBeyondTheBoundAreRefused) {
  Problem problem = MakeTiny();
  problem.schedule.learning_rate = 0x1p97F;
  problem.targets.assign(GetParam().batch_size, 1.0F);  // x is 0
  ExpectRefusedAtOnce(problem);
  problem.schedule.learning_rate = 0x1p95F;
  const Results results = Train(trainer_, problem);
  EXPECT_EQ(results.applied, 1);
  EXPECT_NEAR(results.weights[1] / 0x1p95F, 1, 1e-6);
  EXPECT_EQ(results.weights[0], 0);
}

TEST_P(TrainerRefusalTest, ALaterStepSeesTheStepsBeforeIt) {
  // Every step multiplies the error by about (1 − α·x²)² = 9801² until it
  // overflows; the weights stay within what the applied deltas say.
  Problem problem = MakeTiny();
  const size_t steps = 40;
  problem.schedule.learning_rate = 1;
  problem.inputs.assign(steps * GetParam().batch_size, 99.0F);
  problem.targets.assign(steps * GetParam().batch_size, 1.0F);
  const Results results = Train(trainer_, problem);
  EXPECT_GE(results.applied, 4);
  EXPECT_LT(results.applied, 20);
  ExpectWhole(problem, results);
}

TEST_P(TrainerRefusalTest, OverflowInAHiddenLayerIsNotLostInRelu) {
  // z of the hidden unit is +∞ − ∞ = NaN. Taken for 0, it would leave every
  // other number of the step finite.
  Problem problem =
      MakeSmall({2, {1, 1}}, Activation::kRelu, Activation::kIdentity);
  problem.weights = {0x1p96F, -0x1p96F, 0, 1, 0};
  problem.inputs.assign(2 * GetParam().batch_size, 0x1p40F);
  ExpectRefusedAtOnce(problem);
}

TEST_P(TrainerRefusalTest,
       InfiniteActivationsAreRefusedThoughTheErrorIsFinite) {
  // The hidden unit's a is +∞, the output sigmoid(+∞) = 1 without any slope: δ
  // is 0, but D = 0·∞ would be NaN.
  Problem problem =
      MakeSmall({1, {1, 1}}, Activation::kRelu, Activation::kSigmoid);
  problem.weights = {0x1p96F, 0, 1, 0};
  problem.inputs.assign(GetParam().batch_size, 0x1p40F);
  ExpectRefusedAtOnce(problem);
}

TEST_P(TrainerRefusalTest, AnOverflowingSignalIsRefused) {
  // δ of the output is about 2^60, and through two weights of 2^90 it
  // overflows, though outputs, error and the upper layers' deltas do not.
  Problem problem =
      MakeSmall({1, {1, 1, 1}}, Activation::kIdentity, Activation::kIdentity);
  problem.schedule.learning_rate = 0x1p-100F;
  problem.weights = {0, 0, 0x1p90F, 0, 0x1p90F, 0};
  problem.inputs.assign(GetParam().batch_size, 1.0F);
  problem.targets.assign(GetParam().batch_size, 0x1p60F);
  ExpectRefusedAtOnce(problem);
}

}  // namespace
}  // namespace backprop::testing
