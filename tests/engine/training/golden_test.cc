// SPDX-License-Identifier: Apache-2.0
//
// Both the engine and its twin against PyTorch, which shares nothing with them.
#include <gtest/gtest.h>

#include <set>
#include <span>
#include <vector>

#include "engine/training/trainer.h"
#include "tests/engine/function_names.h"
#include "tests/engine/golden_run.h"
#include "tests/engine/problem.h"
#include "tests/twins/reference_delta.h"
#include "tests/twins/reference_trainer.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// All numbers are of order 1. The twin: double against double.
constexpr double kTwinBound = 1e-13;
// The engine: some roundings of float32 a step, four steps.
constexpr double kEngineBound = 0x1p-19;

void ExpectNear(const Vector& got, const Vector& want, double bound,
                const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], bound) << what << " " << i;
  }
}

Vector Joined(const std::vector<ReferenceSample>& samples) {
  Vector outputs;
  for (const ReferenceSample& sample : samples) {
    outputs.insert(outputs.end(), sample.outputs().begin(),
                   sample.outputs().end());
  }
  return outputs;
}

// The step's samples.
std::vector<Sample> Cut(const GoldenStep& step, size_t batch_size) {
  std::vector<Sample> samples;
  const auto row = [batch_size](const Vector& numbers, size_t s) {
    const auto size = static_cast<long>(numbers.size() / batch_size);
    const auto begin = numbers.begin() + static_cast<long>(s) * size;
    return Vector(begin, begin + size);
  };
  for (size_t s = 0; s < batch_size; ++s) {
    samples.push_back({row(step.inputs, s), row(step.targets, s)});
  }
  return samples;
}

TEST(GoldenTest, RunsCoverEveryActivationAndLossAndBatches) {
  std::set<Activation> activations;
  std::set<Loss> losses;
  std::set<size_t> batch_sizes;
  for (const GoldenRun& run : ReadGoldenRuns()) {
    for (const LayerSpec& layer : run.network.layers) {
      activations.insert(layer.activation);
    }
    losses.insert(run.network.loss);
    batch_sizes.insert(run.batch_size);
    EXPECT_EQ(run.weights.size(), WeightCount(run.network)) << run.name;
    EXPECT_EQ(run.steps.size(), 4) << run.name;
  }
  EXPECT_EQ(activations.size(), EveryActivation().size());
  EXPECT_EQ(losses.size(), EveryLoss().size());
  EXPECT_GE(batch_sizes.size(), 2);
}

TEST(GoldenTest, TheTwinAgrees) {
  for (const GoldenRun& run : ReadGoldenRuns()) {
    ReferenceTrainer twin(run.network, run.weights);
    for (const GoldenStep& golden : run.steps) {
      const ReferenceStep step =
          twin.Step(Cut(golden, run.batch_size), run.learning_rate);
      ExpectNear(Joined(step.samples), golden.outputs, kTwinBound, run.name);
      EXPECT_NEAR(step.error, golden.error, kTwinBound) << run.name;
      ExpectNear(step.gradient, golden.gradient, kTwinBound, run.name);
      ExpectNear(twin.weights(), golden.weights, kTwinBound, run.name);
    }
  }
}

// One step of the engine from `weights`.
void CompareStep(const GoldenRun& run, const GoldenStep& golden,
                 const Layout& layout, Trainer& trainer,
                 std::vector<float>& weights) {
  Problem problem{run.network, layout, {.learning_rate = run.learning_rate}};
  problem.weights = weights;
  problem.inputs = Floats(golden.inputs);
  problem.targets = Floats(golden.targets);
  const Results results = Train(trainer, problem);
  ASSERT_EQ(results.applied, 1) << run.name;
  weights = results.weights;
  std::vector<float> before = problem.weights;
  const std::vector<float> delta =
      ApplyReferenceStep(layout, StepOf(problem, results, 0), before, {});
  Vector gradient;
  for (const float d : delta) gradient.push_back(-d / run.learning_rate);
  ExpectNear(Doubles(results.outputs), golden.outputs, kEngineBound, run.name);
  EXPECT_NEAR(results.errors[0], golden.error, kEngineBound) << run.name;
  ExpectNear(gradient, golden.gradient, kEngineBound, run.name);
  ExpectNear(Doubles(weights), golden.weights, kEngineBound, run.name);
}

TEST(GoldenTest, TheEngineAgreesInBothDeltaForms) {
  for (const GoldenRun& run : ReadGoldenRuns()) {
    for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
      const Layout layout = MakeLayout(run.network, run.batch_size, form);
      Trainer trainer;
      std::vector<float> weights = Floats(run.weights);
      for (const GoldenStep& golden : run.steps) {
        CompareStep(run, golden, layout, trainer, weights);
      }
    }
  }
}

}  // namespace
}  // namespace backprop::testing
