// SPDX-License-Identifier: Apache-2.0
//
// The trainer with optimisers, clipping, sample weights and dropout.
#include "engine/step_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/dropout.h"
#include "tests/engine/optimiser_problem.h"
#include "tests/engine/optimiser_twin.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 30;

struct Form {
  DeltaForm form;
  size_t batch_size;
};

class StepTrainerTest : public ::testing::TestWithParam<Form> {
 protected:
  OptimiserProblem Make(const NamedOptimiser& optimiser,
                        size_t steps = kSteps) const {
    return MakeOptimiserProblem({7, 5, 4, 3}, GetParam().batch_size,
                                GetParam().form, optimiser, steps);
  }
  OptimiserProblem Make(const std::string& optimiser,
                        size_t steps = kSteps) const {
    return Make(OptimiserOf(optimiser), steps);
  }

  StepTrainer trainer_;
};

INSTANTIATE_TEST_SUITE_P(Forms, StepTrainerTest,
                         ::testing::Values(Form{DeltaForm::kFactored, 1},
                                           Form{DeltaForm::kFactored, 3},
                                           Form{DeltaForm::kDense, 1},
                                           Form{DeltaForm::kDense, 3}),
                         [](const auto& test) {
                           const bool dense =
                               test.param.form == DeltaForm::kDense;
                           return std::string(dense ? "Dense" : "Factored") +
                                  std::to_string(test.param.batch_size);
                         });

TEST_P(StepTrainerTest, AReplicaOfRowsAndScalarsHasTheSameBits) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    OptimiserProblem problem = Make(named);
    problem.network.layers[0].dropout = 0.3F;
    const OptimiserResults results = RunWith(trainer_, problem);
    ASSERT_EQ(results.applied, kSteps) << named.name;
    EXPECT_NE(BitsOf(results.weights), BitsOf(problem.weights)) << named.name;
    const Layout& layout = problem.layout;
    auto twin_weights = problem.weights;
    auto twin_state = problem.state;
    auto weights = problem.weights;
    auto state = problem.state;
    std::vector<float> delta(layout.weight_count());
    for (size_t t = 0; t < kSteps; ++t) {
      const StepDelta step = StepOf(problem, results, t);
      ApplyDelta(layout, named.optimiser, step, weights, state);
      ApplyTwinStep(layout, named.optimiser, step, twin_weights, twin_state,
                    delta);
      ASSERT_EQ(BitsOf(std::span(results.full_deltas)
                           .subspan(t * delta.size(), delta.size())),
                BitsOf(delta))
          << named.name;
    }
    EXPECT_EQ(BitsOf(results.weights), BitsOf(weights)) << named.name;
    EXPECT_EQ(BitsOf(results.weights), BitsOf(twin_weights)) << named.name;
    if (GetParam().form == DeltaForm::kDense) continue;  // keeps no state
    EXPECT_EQ(BitsOf(results.state), BitsOf(state)) << named.name;
    EXPECT_EQ(BitsOf(results.state), BitsOf(twin_state)) << named.name;
  }
}

TEST_P(StepTrainerTest, RunsInPiecesGiveTheBitsOfOneRun) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    OptimiserProblem problem = Make(named);
    problem.network.layers[1].dropout = 0.3F;
    const OptimiserResults whole = RunWith(trainer_, problem);
    OptimiserProblem piece = problem;
    const size_t inputs = problem.inputs.size() / kSteps;
    const size_t targets = problem.targets.size() / kSteps;
    for (size_t t = 0; t < kSteps; t += 10) {
      const auto input = problem.inputs.begin() + t * inputs;
      const auto target = problem.targets.begin() + t * targets;
      piece.inputs.assign(input, input + 10 * inputs);
      piece.targets.assign(target, target + 10 * targets);
      piece.first_step = 1 + t;
      piece.state_age = t;
      const OptimiserResults results = RunWith(trainer_, piece);
      ASSERT_EQ(results.applied, 10u);
      piece.weights = results.weights;
      piece.state = results.state;
    }
    EXPECT_EQ(BitsOf(piece.weights), BitsOf(whole.weights)) << named.name;
    EXPECT_EQ(BitsOf(piece.state), BitsOf(whole.state)) << named.name;
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
  const OptimiserResults plain = RunWith(trainer_, Make(named, 1));
  named.optimiser.max_norm = 1e9F;
  const OptimiserResults roomy = RunWith(trainer_, Make(named, 1));
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
    const OptimiserResults plain = RunWith(trainer_, Make(named, 1));
    named.optimiser.max_norm = 0.125F;
    const OptimiserResults clipped = RunWith(trainer_, Make(named, 1));
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
  const OptimiserResults clipped = RunWith(trainer_, Make(named, 1));
  named.optimiser.max_value = 0;
  const OptimiserResults plain = RunWith(trainer_, Make(named, 1));
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
    OptimiserProblem problem = Make(kind, 1);
    problem.optimiser.l2 = 0;
    problem.optimiser.keeps_gradient = kind != std::string("sgd");
    const OptimiserResults once = RunWith(trainer_, problem);
    problem.sample_weights.assign(GetParam().batch_size, 2);
    const OptimiserResults twice = RunWith(trainer_, problem);
    EXPECT_EQ(twice.errors[0], 2 * once.errors[0]);
    EXPECT_EQ(BitsOf(twice.outputs), BitsOf(once.outputs));
    for (size_t i = 0; i < once.full_deltas.size(); ++i) {
      EXPECT_EQ(twice.full_deltas[i], 2 * once.full_deltas[i]);
    }
  }
}

TEST_P(StepTrainerTest, SampleWeightsAreEachSamplesOwn) {
  if (GetParam().batch_size == 1) return;
  // Weights (3, 0, 0) in a batch of 3 are the first sample alone.
  OptimiserProblem problem = Make("sgd", 1);
  problem.sample_weights = {3, 0, 0};
  const OptimiserResults results = RunWith(trainer_, problem);
  OptimiserProblem single = MakeOptimiserProblem(
      {7, 5, 4, 3}, 1, GetParam().form, OptimiserOf("sgd"), 1);
  single.weights = problem.weights;
  std::copy_n(problem.inputs.begin(), 7, single.inputs.begin());
  std::copy_n(problem.targets.begin(), 3, single.targets.begin());
  const OptimiserResults expected = RunWith(trainer_, single);
  EXPECT_NEAR(results.errors[0], expected.errors[0], 1e-6);
  for (size_t i = 0; i < expected.weights.size(); ++i) {
    EXPECT_NEAR(results.weights[i], expected.weights[i], 1e-6);
  }
}

TEST_P(StepTrainerTest, SampleWeightZeroChangesNothing) {
  OptimiserProblem problem = Make("sgd");
  problem.sample_weights.assign(kSteps * GetParam().batch_size, 0);
  const OptimiserResults results = RunWith(trainer_, problem);
  EXPECT_EQ(results.applied, kSteps);
  EXPECT_EQ(BitsOf(results.weights), BitsOf(problem.weights));
  EXPECT_EQ(results.errors, std::vector<float>(kSteps, 0.0F));
}

std::vector<float> FactorsOfDropout(const OptimiserProblem& problem, size_t k,
                                    uint64_t step, size_t sample) {
  std::vector<float> factors(problem.network.layers[k].size);
  DropoutFactors(
      {problem.dropout_seed, step, static_cast<uint32_t>(k + 1), sample},
      problem.network.layers[k].dropout, factors);
  return factors;
}

TEST_P(StepTrainerTest, DropoutIsTheSpecifiedMask) {
  if (GetParam().form == DeltaForm::kDense) return;  // a and u can't be seen
  OptimiserProblem problem = Make("sgd");
  problem.rate = 1e-9F;  // the weights stay: a differs by the mask alone
  const OptimiserResults plain = RunWith(trainer_, problem);
  problem.network.layers[0].dropout = 0.5F;
  problem.dropout_seed = 77;
  problem.first_step = 5;
  const OptimiserResults results = RunWith(trainer_, problem);
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
        EXPECT_EQ(BitsOf({u + i, 1})[0], 0u) << "u";
        EXPECT_EQ(BitsOf({row + a + i, 1})[0], 0u) << "a";
      }
    }
  }
  EXPECT_GT(dropped, kSteps * batch);
}

// With the mask held fixed (one step), D is minus the derivative of E.
TEST_P(StepTrainerTest, DropoutsGradientIsTheErrorsDerivative) {
  OptimiserProblem problem = Make("sgd", 1);
  problem.rate = 1;
  problem.network.layers[0].dropout = 0.4F;
  problem.network.layers[1].dropout = 0.25F;
  problem.dropout_seed = 3;
  const OptimiserResults results = RunWith(trainer_, problem);
  constexpr float kSmall = 0x1p-7F;
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    OptimiserProblem moved = problem;
    moved.weights[i] += kSmall;
    const float above = RunWith(trainer_, moved).errors[0];
    moved.weights[i] = problem.weights[i] - kSmall;
    const float below = RunWith(trainer_, moved).errors[0];
    EXPECT_NEAR(-results.full_deltas[i], (above - below) / (2 * kSmall), 3e-3)
        << i;
  }
}

TEST(TrainerFacadeTest, TrainsLikeTheStepTrainer) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    if (FactorKindOf(named.optimiser) == FactorKind::kDelta) continue;
    const OptimiserProblem problem =
        MakeOptimiserProblem({7, 5, 3}, 1, DeltaForm::kFactored, named, 10);
    StepTrainer steps;
    Trainer trainer;
    const OptimiserResults expected = RunWith(steps, problem);
    const OptimiserResults results = RunWith(trainer, problem);
    EXPECT_EQ(results.applied, expected.applied);
    EXPECT_EQ(BitsOf(results.weights), BitsOf(expected.weights)) << named.name;
  }
}

}  // namespace
}  // namespace backprop::testing
