// SPDX-License-Identifier: Apache-2.0
//
// Numeric gradient check: every activation under every loss, in the twin and in
// the engine, must move weights against the central difference
//   ∂E/∂w ≈ (E(w + h) − E(w − h)) / 2h.
// A new activation or loss takes part as soon as the twin knows it.
#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

#include "engine/training/trainer.h"
#include "tests/engine/function_names.h"
#include "tests/engine/problem.h"
#include "tests/twins/reference_trainer.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// In double: h² is what the difference leaves out, 1e-16/h its rounding.
constexpr double kTwinStep = 0x1p-17;
constexpr double kTwinBound = 1e-8;

// In float32, with errors of order 1: h²/6·E‴ and 2^−24/h are about 2^−14.
constexpr float kEngineStep = 0x1p-6F;
constexpr double kEngineBound = 0x1p-10;
// Engine's gradient against the twin's: rounding alone.
constexpr double kRoundingBound = 0x1p-18;

// A power of two, so that D/α is exact; D changes nothing that is read again.
constexpr float kLearningRate = 0x1p-10F;

// One step of a 4-5-4-3 network, all z so far from a kink that w ± h does not
// reach it: a weight moves z by at most h·|a|, and later z by little more.
Problem SmoothProblem(const Functions& functions, size_t batch_size) {
  const NetworkSpec network = MakeNetwork({4, {5, 4, 3}}, functions);
  for (uint32_t seed = 1;; ++seed) {
    Problem problem = MakeProblem(network, MakeLayout(network, batch_size),
                                  kLearningRate, 1, seed);
    bool smooth = true;
    for (const Sample& sample : SamplesOfStep(problem, 0)) {
      const double distance =
          ReferenceForward(network, Doubles(problem.weights), sample)
              .kink_distance;
      smooth = smooth && distance > 4 * kEngineStep;
    }
    if (smooth) return problem;
  }
}

Vector TwinGradient(const Problem& problem) {
  ReferenceTrainer twin(problem.network, Doubles(problem.weights));
  return twin.Step(SamplesOfStep(problem, 0), kLearningRate).gradient;
}

double EngineError(Trainer& trainer, Problem problem, size_t i, float step) {
  problem.weights[i] += step;
  return Train(trainer, problem).errors.front();
}

void CheckTwin(const Problem& problem) {
  const std::vector<Sample> samples = SamplesOfStep(problem, 0);
  const Vector gradient = TwinGradient(problem);
  for (size_t i = 0; i < gradient.size(); ++i) {
    Vector weights = Doubles(problem.weights);
    weights[i] += kTwinStep;
    const double above = ReferenceStepError(problem.network, weights, samples);
    weights[i] -= 2 * kTwinStep;
    const double below = ReferenceStepError(problem.network, weights, samples);
    EXPECT_NEAR(gradient[i], (above - below) / (2 * kTwinStep), kTwinBound)
        << problem.name() << ", weight " << i;
  }
}

void CheckEngine(Trainer& trainer, const Problem& problem) {
  const Vector twin = TwinGradient(problem);
  const Results results = Train(trainer, problem, {.full_deltas = true});
  ASSERT_EQ(results.applied, 1) << problem.name();
  for (size_t i = 0; i < twin.size(); ++i) {
    const double gradient = -results.full_deltas[i] / kLearningRate;
    const double above = EngineError(trainer, problem, i, kEngineStep);
    const double below = EngineError(trainer, problem, i, -kEngineStep);
    EXPECT_NEAR(gradient, (above - below) / (2 * kEngineStep), kEngineBound)
        << problem.name() << ", weight " << i;
    EXPECT_NEAR(gradient, twin[i], kRoundingBound)
        << problem.name() << ", weight " << i;
  }
}

// One test for each activation of the hidden layers.
class GradientTest : public ::testing::TestWithParam<Activation> {
 protected:
  static std::vector<Problem> Problems() {
    std::vector<Problem> problems;
    for (const Functions& functions : AllFunctions()) {
      if (functions.hidden != GetParam()) continue;
      problems.push_back(SmoothProblem(functions, 1));
      problems.push_back(SmoothProblem(functions, 3));
    }
    return problems;
  }
};

INSTANTIATE_TEST_SUITE_P(Hidden, GradientTest,
                         ::testing::ValuesIn(HiddenActivations()),
                         [](const auto& instance) {
                           return Name(instance.param);
                         });

TEST_P(GradientTest, TheTwinsIsTheNumericOne) {
  for (const Problem& problem : Problems()) CheckTwin(problem);
}

TEST_P(GradientTest, TheEnginesIsTheNumericOne) {
  Trainer trainer;
  for (const Problem& problem : Problems()) CheckEngine(trainer, problem);
}

TEST(GradientListTest, EveryActivationAndLossTakesPart) {
  std::set<std::pair<Activation, Loss>> last;
  std::set<Activation> hidden;
  for (const Functions& functions : AllFunctions()) {
    last.insert({functions.output, functions.loss});
    hidden.insert(functions.hidden);
  }
  // Five losses take all but softmax, the cross-entropies two each.
  EXPECT_EQ(last.size(), 5u * 8u + 2u * 2u);
  EXPECT_EQ(hidden.size(), 8u);
  EXPECT_EQ(AllFunctions().size(), 8u * (44u + 4u));
}

}  // namespace
}  // namespace backprop::testing
