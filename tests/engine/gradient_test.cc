// SPDX-License-Identifier: Apache-2.0
//
// Numeric gradient check: every activation under every loss, in the twin and in
// the engine, must move weights against the central difference
//   ∂E/∂w ≈ (E(w + h) − E(w − h)) / 2h.
// A new activation or loss takes part as soon as the twin knows it.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/delta.h"
#include "engine/trainer.h"
#include "tests/engine/problem.h"
#include "tests/engine/reference_trainer.h"
#include "tests/engine/twin_comparison.h"

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
  const NetworkSpec network = MakeNetwork({4, {5, 4, 3}}, functions.hidden,
                                          functions.output, functions.loss);
  for (uint32_t seed = 1;; ++seed) {
    Problem problem = MakeProblem(network, MakeLayout(network, batch_size),
                                  kLearningRate, 1, seed);
    bool smooth = true;
    for (const Vector& input :
         SamplesOfStep(problem.inputs, 4, batch_size, 0)) {
      const ReferenceSample sample =
          ReferenceForward(network, Doubles(problem.weights), input);
      smooth = smooth && sample.KinkDistance(network) > 4 * kEngineStep;
    }
    if (smooth) return problem;
  }
}

double TwinError(const Problem& problem, const Vector& weights) {
  const size_t batch = problem.layout.batch_size();
  const auto inputs = SamplesOfStep(problem.inputs, 4, batch, 0);
  const auto targets = SamplesOfStep(problem.targets, 3, batch, 0);
  double sum = 0;
  for (size_t s = 0; s < batch; ++s) {
    sum += ReferenceError(problem.network, weights, inputs[s], targets[s]);
  }
  return sum / static_cast<double>(batch);
}

Vector TwinGradient(const Problem& problem) {
  const size_t batch = problem.layout.batch_size();
  ReferenceSgd sgd(kLearningRate);
  ReferenceTrainer twin(problem.network, sgd, Doubles(problem.weights));
  return twin
      .Step(SamplesOfStep(problem.inputs, 4, batch, 0),
            SamplesOfStep(problem.targets, 3, batch, 0))
      .gradient;
}

double EngineError(Trainer& trainer, Problem problem, size_t i, float step) {
  problem.weights[i] += step;
  return Train(trainer, problem).errors.front();
}

class GradientTest : public ::testing::TestWithParam<Functions> {};

INSTANTIATE_TEST_SUITE_P(All, GradientTest, ::testing::ValuesIn(AllFunctions()),
                         [](const auto& instance) {
                           const Functions& functions = instance.param;
                           return std::string(
                                      Reference(functions.hidden).name) +
                                  "_" + Reference(functions.output).name + "_" +
                                  Reference(functions.loss).name;
                         });

TEST_P(GradientTest, TheTwinsIsTheNumericOne) {
  for (const size_t batch_size : {1, 3}) {
    const Problem problem = SmoothProblem(GetParam(), batch_size);
    const Vector gradient = TwinGradient(problem);
    for (size_t i = 0; i < gradient.size(); ++i) {
      Vector weights = Doubles(problem.weights);
      weights[i] += kTwinStep;
      const double above = TwinError(problem, weights);
      weights[i] -= 2 * kTwinStep;
      const double below = TwinError(problem, weights);
      EXPECT_NEAR(gradient[i], (above - below) / (2 * kTwinStep), kTwinBound)
          << problem.name() << ", weight " << i;
    }
  }
}

TEST_P(GradientTest, TheEnginesIsTheNumericOne) {
  Trainer trainer;
  for (const size_t batch_size : {1, 3}) {
    const Problem problem = SmoothProblem(GetParam(), batch_size);
    const Vector twin = TwinGradient(problem);
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, 1);
    std::vector<float> delta(problem.weights.size());
    ExpandDelta(problem.layout, results.deltas, problem.inputs, delta);
    for (size_t i = 0; i < delta.size(); ++i) {
      const double gradient = -delta[i] / kLearningRate;
      const double above = EngineError(trainer, problem, i, kEngineStep);
      const double below = EngineError(trainer, problem, i, -kEngineStep);
      EXPECT_NEAR(gradient, (above - below) / (2 * kEngineStep), kEngineBound)
          << problem.name() << ", weight " << i;
      EXPECT_NEAR(gradient, twin[i], kRoundingBound)
          << problem.name() << ", weight " << i;
    }
  }
}

TEST(GradientListTest, EveryActivationAndLossTakesPart) {
  for (const ReferenceActivation& activation : ReferenceActivations()) {
    bool found = false;
    for (const Functions& functions : AllFunctions()) {
      found = found || functions.output == activation.activation;
    }
    EXPECT_TRUE(found) << activation.name;
  }
  EXPECT_EQ(AllFunctions().size(), 4u * 6u);
}

}  // namespace
}  // namespace backprop::testing
