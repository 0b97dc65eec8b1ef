// SPDX-License-Identifier: Apache-2.0
//
// What a replica rests on: the weights after a run are the weights before it
// plus the deltas that were handed out, bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/training/trainer.h"
#include "tests/engine/input_rows.h"
#include "tests/engine/problem.h"
#include "tests/engine/random_problem.h"
#include "tests/twins/replay.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 100;

// 60 small networks, 12 whose weights a fast engine treats as large, and 60
// with any optimiser and dropout.
std::vector<Problem> RandomProblems() {
  std::vector<Problem> problems;
  for (uint32_t seed = 0; seed < 60; ++seed) {
    problems.push_back(RandomProblem(seed, {}));
  }
  for (uint32_t seed = 100; seed < 112; ++seed) {
    problems.push_back(RandomProblem(seed, {.widest = 200}));
  }
  for (uint32_t seed = 400; seed < 460; ++seed) {
    problems.push_back(RandomProblem(
        seed, {.any_optimiser = true, .dropout = true, .largest_rate = 0.03F}));
  }
  return problems;
}

TEST(TrainerDeltaTest, WeightsAreThoseBeforePlusTheDeltasBitForBit) {
  Trainer trainer;
  for (const Problem& problem : RandomProblems()) {
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, kSteps) << problem.name();
    EXPECT_NE(Bits(results.weights), Bits(problem.weights)) << problem.name();
    ExpectReplayed(problem, results);
  }
}

TEST(TrainerDeltaTest, WeightsAreTheDeltasSumHoweverTheStepsFormCalls) {
  Trainer trainer;
  for (uint32_t seed = 200; seed < 206; ++seed) {
    const Problem problem =
        RandomProblem(seed, {.widest = seed % 2 == 0 ? size_t{40} : 150});
    for (const size_t steps_a_call : {1, 7, 64}) {
      const Results results =
          Train(trainer, problem, {.lengths = {steps_a_call}});
      ASSERT_EQ(results.applied, kSteps) << problem.name();
      ExpectReplayed(problem, results);
    }
  }
}

TEST(TrainerDeltaTest, TheSameCallsGiveTheSameBits) {
  Trainer used;
  Train(used, RandomProblem(1, {.widest = 200}));
  for (uint32_t seed = 300; seed < 306; ++seed) {
    const Problem problem =
        RandomProblem(seed, {.widest = seed % 2 == 0 ? size_t{40} : 150});
    Trainer fresh;
    const Results expected = Train(fresh, problem, {.lengths = {13}});
    const Results got = Train(used, problem, {.lengths = {13}});
    EXPECT_EQ(Bits(got.weights), Bits(expected.weights)) << problem.name();
    EXPECT_EQ(Bits(got.errors), Bits(expected.errors)) << problem.name();
    EXPECT_EQ(Bits(got.deltas), Bits(expected.deltas)) << problem.name();
    EXPECT_EQ(Bits(got.outputs), Bits(expected.outputs)) << problem.name();
  }
}

// Bits are promised for the same calls only; numbers do not depend on them.
TEST(TrainerDeltaTest, HowStepsFormCallsChangesRoundingAtMost) {
  Trainer trainer;
  for (const Shape& shape : {Shape{20, {30, 4}}, Shape{20, {120, 100, 4}}}) {
    const NetworkSpec network = MakeNetwork(
        shape, {Activation::kTanh, Activation::kSoftmax, Loss::kCrossEntropy});
    const Problem problem =
        MakeProblem(network, MakeLayout(network, 1), 0.05F, kSteps, 9);
    const Results whole = Train(trainer, problem);
    for (const size_t steps_a_call : {1, 3, 10}) {
      const Results pieces =
          Train(trainer, problem, {.lengths = {steps_a_call}});
      ASSERT_EQ(pieces.applied, kSteps);
      for (size_t t = 0; t < kSteps; ++t) {
        EXPECT_NEAR(pieces.errors[t], whole.errors[t], 0x1p-15F);
      }
      for (size_t i = 0; i < whole.weights.size(); ++i) {
        EXPECT_NEAR(pieces.weights[i], whole.weights[i], 0x1p-15F);
      }
    }
  }
}

TEST(TrainerDeltaTest, OutputsNeedNotBeAskedFor) {
  const Problem problem = RandomProblem(3, {});
  Trainer trainer;
  const Results expected = Train(trainer, problem);
  const LearningRate rate(problem.schedule);
  std::vector<float> weights = problem.weights;
  std::vector<float> errors(kSteps);
  std::vector<float> deltas(expected.deltas.size());
  const InputRows inputs(problem.layout, problem.inputs);
  TrainRun run;
  run.inputs = inputs.rows();
  run.targets = problem.targets;
  run.sample_weights = problem.sample_weights;
  run.weights = weights;
  run.errors = errors;
  run.deltas = deltas;
  EXPECT_EQ(trainer.Train(TrainingOf(problem, rate), run), kSteps);
  EXPECT_EQ(Bits(weights), Bits(expected.weights));
  EXPECT_EQ(Bits(errors), Bits(expected.errors));
}

TEST(TrainerDeltaTest, NoStepsChangeNothing) {
  Problem problem = RandomProblem(4, {});
  problem.inputs.clear();
  problem.targets.clear();
  Trainer trainer;
  const LearningRate rate(problem.schedule);
  std::vector<float> weights = problem.weights;
  TrainRun run;
  run.weights = weights;
  EXPECT_EQ(trainer.Train(TrainingOf(problem, rate), run), 0);
  EXPECT_EQ(Bits(weights), Bits(problem.weights));
}

TEST(TrainerDeltaTest, SmallFactorsAreSentAsPositiveZero) {
  // Two sigmoid layers so far to the left that a = e^z lies around 2^−60, and
  // so does what a(1 − a) leaves of the signal.
  const NetworkSpec network =
      MakeNetwork({2, {30, 3}}, {Activation::kSigmoid, Activation::kIdentity});
  const DeltaForm factored[] = {DeltaForm::kFactored, DeltaForm::kFactored};
  for (const size_t batch_size : {1, 2}) {
    const Layout layout = MakeLayout(network, batch_size, factored);
    Problem problem = MakeProblem(network, layout, 0.5F, 20, 5);
    const LayerLayout& hidden = layout.layers()[0];
    for (size_t i = 0; i < hidden.outputs; ++i) {
      problem.weights[hidden.bias_begin + i] =
          -30.0F - 0.5F * static_cast<float>(i);
    }
    Trainer trainer;
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, problem.steps());
    size_t zeros = 0;
    for (const float factor : results.deltas) {
      const bool zero = Bits({&factor, 1}).front() == 0;
      zeros += zero ? 1 : 0;
      EXPECT_TRUE(zero || std::fabs(factor) >= 0x1p-60F) << factor;
    }
    EXPECT_GT(zeros, 20u);
    EXPECT_LT(zeros, results.deltas.size() / 2);
    ExpectReplayed(problem, results);
  }
}

}  // namespace
}  // namespace backprop::testing
