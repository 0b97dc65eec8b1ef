// SPDX-License-Identifier: Apache-2.0
//
// Steps that delta.proto (6) refuses: weights and state stay as they were.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/training/step_bounds.h"
#include "engine/training/step_trainer.h"
#include "tests/engine/named_optimiser.h"
#include "tests/engine/parameters.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 10;
constexpr size_t kBadStep = 6;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<Problem> AllProblems() {
  std::vector<Problem> all;
  for (const NamedOptimiser& named : AllOptimisers()) {
    for (const auto& [form, batch_size] : kEveryForm) {
      all.push_back(
          MakeOptimiserProblem({7, 5, 3}, batch_size, form, named, kSteps));
    }
  }
  return all;
}

// The results of the problem's first `steps` steps.
Results Beginning(Problem problem, size_t steps) {
  problem.inputs.resize(problem.inputs.size() / kSteps * steps);
  problem.targets.resize(problem.targets.size() / kSteps * steps);
  StepTrainer trainer;
  return Train(trainer, problem);
}

// That exactly the steps before kBadStep are applied, and leave no trace after.
void ExpectRefusal(const Problem& problem) {
  StepTrainer trainer;
  const Results results = Train(trainer, problem);
  const Results expected = Beginning(problem, kBadStep);
  EXPECT_EQ(results.applied, kBadStep);
  EXPECT_EQ(Bits(results.weights), Bits(expected.weights));
  EXPECT_EQ(Bits(results.state), Bits(expected.state));
}

// That not even the first step is applied.
void ExpectRefusedAtOnce(const Problem& problem) {
  StepTrainer trainer;
  const Results results = Train(trainer, problem);
  EXPECT_EQ(results.applied, 0u) << problem.name();
  EXPECT_EQ(Bits(results.weights), Bits(problem.weights)) << problem.name();
  EXPECT_EQ(Bits(results.state), Bits(problem.state)) << problem.name();
}

// The last target of the bad step.
float& BadTarget(Problem& problem) {
  return problem.targets[problem.targets.size() / kSteps * (kBadStep + 1) - 1];
}

TEST(StepRefusalTest, NonFiniteErrorsLeaveWeightsAndStateUnchanged) {
  for (Problem problem : AllProblems()) {
    BadTarget(problem) = 3e38F;
    ExpectRefusal(problem);
  }
}

TEST(StepRefusalTest, HugeGradientsLeaveWeightsAndStateUnchanged) {
  for (Problem problem : AllProblems()) {
    if (problem.layout.is_plain()) continue;
    BadTarget(problem) = 0x1p55F;  // E is finite
    if (problem.optimiser.max_norm > 0 || problem.optimiser.max_value > 0) {
      StepTrainer trainer;
      EXPECT_EQ(Train(trainer, problem).applied, kSteps) << "clipped";
    } else {
      ExpectRefusal(problem);
    }
  }
}

TEST(StepRefusalTest, HugeDeltasLeaveWeightsAndStateUnchanged) {
  for (Problem problem : AllProblems()) {
    problem.schedule.learning_rate = 1e37F;
    if (problem.layout.rule() == rules::Adagrad::kRule) continue;
    ExpectRefusedAtOnce(problem);
  }
}

TEST(StepRefusalTest, RatesThatAreNoNumbersAreRefused) {
  for (Problem problem : AllProblems()) {
    for (const float rate : {kNan, kInfinity}) {
      problem.schedule.learning_rate = rate;
      ExpectRefusedAtOnce(problem);
    }
  }
}

TEST(StepRefusalTest, HugeWeightsAreRefusedWhereDecayReadsThem) {
  for (const char* name : {"adam+l2", "adam+decay", "sgd+l2", "sgd+decay"}) {
    NamedOptimiser named = OptimiserOf(name);
    Problem problem =
        MakeOptimiserProblem({2, 1}, 1, DeltaForm::kFactored, named, kSteps);
    problem.inputs.assign(problem.inputs.size(), 0.0F);  // E sees no weight
    problem.weights[0] = 0x1p120F;
    SCOPED_TRACE(name);
    ExpectRefusedAtOnce(problem);
  }
}

// Bounds that are carried along grow without reason; honest runs are not
// refused for it.
TEST(StepRefusalTest, LongRunsAreNotRefused) {
  for (const NamedOptimiser& named : AllOptimisers()) {
    const Problem problem =
        MakeOptimiserProblem({7, 5, 3}, 1, DeltaForm::kFactored, named, 2000);
    StepTrainer trainer;
    EXPECT_EQ(Train(trainer, problem).applied, 2000u) << named.name;
  }
}

TEST(StepBoundsTest, PlainDescentNeedsNoWeights) {
  StepBounds bounds;
  EXPECT_TRUE(bounds.Allow(rules::None::kRule, {}, 0x1p96, {}, {}));
  EXPECT_FALSE(bounds.Allow(rules::None::kRule, {}, 0x1.1p96, {}, {}));
  EXPECT_FALSE(bounds.Allow(rules::None::kRule, {}, kNan, {}, {}));
  EXPECT_FALSE(bounds.Allow(rules::None::kRule, {}, kInfinity, {}, {}));
}

TEST(StepBoundsTest, WhetherAStepIsAllowedDoesNotDependOnTheRun) {
  const std::vector<float> weights{1, -2, 0.5F};
  const std::vector<float> state(6);
  const Optimiser optimiser = OptimiserOf("adam+l2+decay").optimiser;
  std::vector<float> scalars(ScalarCount(RuleOf(optimiser)));
  StepScalars(optimiser, 0.1F, 1, scalars);
  StepBounds carried;
  for (int t = 0; t < 1000; ++t) {
    ASSERT_TRUE(carried.Allow(rules::Adam::kRule, scalars, 1, weights, state))
        << t;
  }
  for (const double gradient : {0x1p47, 0x1p49}) {
    StepBounds fresh;
    EXPECT_EQ(
        carried.Allow(rules::Adam::kRule, scalars, gradient, weights, state),
        fresh.Allow(rules::Adam::kRule, scalars, gradient, weights, state));
  }
}

TEST(StepBoundsTest, NumbersThatAreNoneAreFound) {
  const Optimiser optimiser = OptimiserOf("adam+l2").optimiser;
  std::vector<float> scalars(ScalarCount(RuleOf(optimiser)));
  StepScalars(optimiser, 0.1F, 1, scalars);
  for (size_t bad = 0; bad < 40; ++bad) {
    std::vector<float> weights(40, 1.0F);
    std::vector<float> state(80);
    StepBounds bounds;
    weights[bad] = kNan;
    EXPECT_FALSE(bounds.Allow(rules::Adam::kRule, scalars, 1, weights, state))
        << bad;
    weights[bad] = -1;
    EXPECT_TRUE(bounds.Allow(rules::Adam::kRule, scalars, 1, weights, state))
        << bad;
  }
}

}  // namespace
}  // namespace backprop::testing
