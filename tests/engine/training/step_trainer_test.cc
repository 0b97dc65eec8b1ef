// SPDX-License-Identifier: Apache-2.0
//
// The trainer with optimisers, clipping, sample weights and dropout.
#include "engine/training/step_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/random/dropout.h"
#include "tests/engine/named_optimiser.h"
#include "tests/engine/parameters.h"
#include "tests/twins/replay.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 30;

class StepTrainerTest : public ::testing::TestWithParam<Form> {
 protected:
  Problem Make(const NamedOptimiser& optimiser, size_t steps = kSteps) const {
    return MakeOptimiserProblem({7, 5, 4, 3}, GetParam().batch_size,
                                GetParam().form, optimiser, steps);
  }
  Problem Make(const std::string& optimiser, size_t steps = kSteps) const {
    return Make(OptimiserOf(optimiser), steps);
  }

  Results Run(const Problem& problem) {
    return Train(trainer_, problem, {.full_deltas = true});
  }

  StepTrainer trainer_;
};

INSTANTIATE_TEST_SUITE_P(Forms, StepTrainerTest,
                         ::testing::ValuesIn(kEveryForm), FormName);

TEST_P(StepTrainerTest, AReplicaOfRowsAndScalarsHasTheSameBits) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    Problem problem = Make(named);
    problem.network.layers[0].dropout = 0.3F;
    const Results results = Run(problem);
    ASSERT_EQ(results.applied, kSteps) << named.name;
    EXPECT_NE(Bits(results.weights), Bits(problem.weights)) << named.name;
    ExpectReplayed(problem, results);
  }
}

TEST_P(StepTrainerTest, RunsInPiecesGiveTheBitsOfOneRun) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    Problem problem = Make(named);
    problem.network.layers[1].dropout = 0.3F;
    const Results whole = Run(problem);
    const Results pieces = Train(trainer_, problem, {.lengths = {1, 10, 7}});
    ASSERT_EQ(pieces.applied, kSteps);
    EXPECT_EQ(Bits(pieces.weights), Bits(whole.weights)) << named.name;
    EXPECT_EQ(Bits(pieces.state), Bits(whole.state)) << named.name;
    EXPECT_EQ(Bits(pieces.deltas), Bits(whole.deltas)) << named.name;
    EXPECT_EQ(Bits(pieces.errors), Bits(whole.errors)) << named.name;
  }
}

double NormOf(std::span<const float> numbers) {
  double sum = 0;
  for (const float number : numbers) sum += double{number} * number;
  return std::sqrt(sum);
}

// D of plain descent with α = 1 is the negative gradient.
TEST_P(StepTrainerTest, TheReportedNormIsThatOfTheWholeGradient) {
  NamedOptimiser named = OptimiserOf("sgd");
  named.rate = 1;
  const Results plain = Run(Make(named, 1));
  named.optimiser.max_norm = 1e9F;
  const Results roomy = Run(Make(named, 1));
  const double norm = NormOf(plain.full_deltas);
  EXPECT_GT(norm, 1);
  EXPECT_NEAR(roomy.gradient_norms[0] / norm, 1, 1e-6);
  for (size_t i = 0; i < plain.full_deltas.size(); ++i) {
    EXPECT_NEAR(roomy.full_deltas[i], plain.full_deltas[i], 1e-6);
  }
}

TEST_P(StepTrainerTest, ClippingByNormKeepsDirectionAndShortens) {
  for (const char* kind : {"sgd", "sgd+l2"}) {
    NamedOptimiser named = OptimiserOf(kind);
    named.rate = 1;
    named.optimiser.l2 *= 1e-9F;
    const Results plain = Run(Make(named, 1));
    named.optimiser.max_norm = 0.125F;
    const Results clipped = Run(Make(named, 1));
    const double norm = NormOf(plain.full_deltas);
    EXPECT_NEAR(clipped.gradient_norms[0] / norm, 1, 1e-6) << "before clipping";
    EXPECT_NEAR(NormOf(clipped.full_deltas), 0.125, 1e-6);
    for (size_t i = 0; i < plain.full_deltas.size(); ++i) {
      EXPECT_NEAR(clipped.full_deltas[i], plain.full_deltas[i] * 0.125 / norm,
                  1e-6);
    }
  }
}

TEST_P(StepTrainerTest, ClippingByValueLimitsEachNumber) {
  NamedOptimiser named = OptimiserOf("sgd+max_value");
  named.rate = 1;
  const Results clipped = Run(Make(named, 1));
  named.optimiser.max_value = 0;
  const Results plain = Run(Make(named, 1));
  size_t limited = 0;
  for (size_t i = 0; i < plain.full_deltas.size(); ++i) {
    EXPECT_NEAR(clipped.full_deltas[i],
                std::clamp(plain.full_deltas[i], -0.03F, 0.03F), 1e-6);
    limited += std::fabs(clipped.full_deltas[i]) == 0.03F ? 1 : 0;
  }
  EXPECT_GT(limited, plain.full_deltas.size() / 4);
}

TEST_P(StepTrainerTest, SampleWeightTwoDoublesErrorAndDelta) {
  for (const char* kind : {"sgd", "sgd+l2"}) {
    Problem problem = Make(kind, 1);
    problem.optimiser.l2 = 0;
    ASSERT_EQ(problem.layout.is_plain(), kind == std::string("sgd"));
    const Results once = Run(problem);
    problem.sample_weights.assign(GetParam().batch_size, 2);
    const Results twice = Run(problem);
    EXPECT_EQ(twice.errors[0], 2 * once.errors[0]);
    EXPECT_EQ(Bits(twice.outputs), Bits(once.outputs));
    for (size_t i = 0; i < once.full_deltas.size(); ++i) {
      EXPECT_EQ(twice.full_deltas[i], 2 * once.full_deltas[i]);
    }
  }
}

TEST_P(StepTrainerTest, SampleWeightsAreEachSamplesOwn) {
  if (GetParam().batch_size == 1) return;
  // Weights (3, 0, 0) in a batch of 3 are the first sample alone.
  Problem problem = Make("sgd", 1);
  problem.sample_weights = {3, 0, 0};
  const Results results = Run(problem);
  Problem single = MakeOptimiserProblem({7, 5, 4, 3}, 1, GetParam().form,
                                        OptimiserOf("sgd"), 1);
  single.weights = problem.weights;
  std::copy_n(problem.inputs.begin(), 7, single.inputs.begin());
  std::copy_n(problem.targets.begin(), 3, single.targets.begin());
  const Results expected = Run(single);
  EXPECT_NEAR(results.errors[0], expected.errors[0], 1e-6);
  for (size_t i = 0; i < expected.weights.size(); ++i) {
    EXPECT_NEAR(results.weights[i], expected.weights[i], 1e-6);
  }
}

TEST_P(StepTrainerTest, SampleWeightZeroChangesNothing) {
  Problem problem = Make("sgd");
  problem.sample_weights.assign(kSteps * GetParam().batch_size, 0);
  const Results results = Run(problem);
  EXPECT_EQ(results.applied, kSteps);
  EXPECT_EQ(Bits(results.weights), Bits(problem.weights));
  EXPECT_EQ(results.errors, std::vector<float>(kSteps, 0.0F));
}

std::vector<float> FactorsOfDropout(const Problem& problem, size_t k,
                                    uint64_t step, size_t sample) {
  std::vector<float> factors(problem.network.layers[k].size);
  DropoutFactors(
      {problem.dropout_seed, step, static_cast<uint32_t>(k + 1), sample},
      problem.network.layers[k].dropout, factors);
  return factors;
}

TEST_P(StepTrainerTest, DropoutIsTheSpecifiedMask) {
  if (GetParam().form == DeltaForm::kDense) return;  // a and u can't be seen
  Problem problem = Make("sgd");
  problem.schedule.learning_rate =
      1e-9F;  // the weights stay: a differs by the mask alone
  const Results plain = Run(problem);
  problem.network.layers[0].dropout = 0.5F;
  problem.dropout_seed = 77;
  problem.first_step = 5;
  const Results results = Run(problem);
  ASSERT_EQ(results.applied, kSteps);
  const auto& layers = problem.layout.layers();
  const size_t batch = GetParam().batch_size;
  size_t dropped = 0;
  for (size_t t = 0; t < kSteps; ++t) {
    const float* row = StepOf(problem, results, t).row.data();
    const float* plain_row = StepOf(problem, plain, t).row.data();
    for (size_t s = 0; s < batch; ++s) {
      const auto factors = FactorsOfDropout(problem, 0, 5 + t, s);
      const size_t size = factors.size();
      const float* u = row + s * size;
      const size_t a = layers[1].delta_begin + layers[1].outputs +
                       s * (layers[1].outputs + layers[1].inputs);
      for (size_t i = 0; i < size; ++i) {
        EXPECT_NEAR(row[a + i], plain_row[a + i] * factors[i], 1e-6);
        if (factors[i] != 0) continue;
        ++dropped;
        EXPECT_EQ(Bits({u + i, 1})[0], 0u) << "u";
        EXPECT_EQ(Bits({row + a + i, 1})[0], 0u) << "a";
      }
    }
  }
  EXPECT_GT(dropped, kSteps * batch);
}

// With the mask held fixed (one step), D is minus the derivative of E.
TEST_P(StepTrainerTest, DropoutsGradientIsTheErrorsDerivative) {
  Problem problem = Make("sgd", 1);
  problem.schedule.learning_rate = 1;
  problem.network.layers[0].dropout = 0.4F;
  problem.network.layers[1].dropout = 0.25F;
  problem.dropout_seed = 3;
  const Results results = Run(problem);
  constexpr float kSmall = 0x1p-7F;
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    Problem moved = problem;
    moved.weights[i] += kSmall;
    const float above = Run(moved).errors[0];
    moved.weights[i] = problem.weights[i] - kSmall;
    const float below = Run(moved).errors[0];
    EXPECT_NEAR(-results.full_deltas[i], (above - below) / (2 * kSmall), 3e-3)
        << i;
  }
}

TEST(TrainerFacadeTest, TrainsLikeTheStepTrainer) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    if (RuleOf(named.optimiser) == rules::None::kRule) continue;
    const Problem problem =
        MakeOptimiserProblem({7, 5, 3}, 1, DeltaForm::kFactored, named, 10);
    StepTrainer steps;
    Trainer trainer;
    const Results expected = Train(steps, problem);
    const Results results = Train(trainer, problem);
    EXPECT_EQ(results.applied, expected.applied);
    EXPECT_EQ(Bits(results.weights), Bits(expected.weights)) << named.name;
  }
}

}  // namespace
}  // namespace backprop::testing
