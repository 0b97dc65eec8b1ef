// SPDX-License-Identifier: Apache-2.0
//
// Both the engine and its twin against PyTorch, which shares nothing with them.
#include <gtest/gtest.h>

#include <set>
#include <span>
#include <vector>

#include "engine/delta.h"
#include "engine/trainer.h"
#include "tests/engine/golden_run.h"
#include "tests/engine/problem.h"
#include "tests/engine/reference_trainer.h"
#include "tests/engine/twin_comparison.h"

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

// `numbers` cut into `count` samples.
std::vector<Vector> Cut(const Vector& numbers, size_t count) {
  std::vector<Vector> samples(count);
  const size_t size = numbers.size() / count;
  for (size_t s = 0; s < count; ++s) {
    samples[s].assign(&numbers[s * size], &numbers[s * size] + size);
  }
  return samples;
}

std::vector<float> Floats(const Vector& numbers) {
  std::vector<float> floats;
  for (const double x : numbers) floats.push_back(static_cast<float>(x));
  return floats;
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
  EXPECT_EQ(activations.size(), ReferenceActivations().size());
  EXPECT_EQ(losses.size(), ReferenceLosses().size());
  EXPECT_GE(batch_sizes.size(), 2);
}

TEST(GoldenTest, TheTwinAgrees) {
  for (const GoldenRun& run : ReadGoldenRuns()) {
    ReferenceSgd sgd(run.learning_rate);
    ReferenceTrainer twin(run.network, sgd, run.weights);
    for (const GoldenStep& golden : run.steps) {
      const ReferenceStep step = twin.Step(Cut(golden.inputs, run.batch_size),
                                           Cut(golden.targets, run.batch_size));
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
  const std::vector<float> inputs = Floats(golden.inputs);
  const std::vector<float> targets = Floats(golden.targets);
  std::vector<float> error(1);
  std::vector<float> deltas(layout.delta_row_length());
  std::vector<float> outputs(targets.size());
  ASSERT_EQ(trainer.Train({&run.network, &layout, run.learning_rate},
                          {inputs, targets, weights, error, deltas, outputs}),
            1);
  std::vector<float> delta(weights.size());
  ExpandDelta(layout, deltas, inputs, delta);
  Vector gradient;
  for (const float d : delta) gradient.push_back(-d / run.learning_rate);
  ExpectNear(Doubles(outputs), golden.outputs, kEngineBound, run.name);
  EXPECT_NEAR(error[0], golden.error, kEngineBound) << run.name;
  ExpectNear(gradient, golden.gradient, kEngineBound, run.name);
  ExpectNear(Doubles(weights), golden.weights, kEngineBound, run.name);
}

TEST(GoldenTest, TheEngineAgreesInBothDeltaForms) {
  for (const GoldenRun& run : ReadGoldenRuns()) {
    for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
      const std::vector<DeltaForm> forms(run.network.layers.size(), form);
      const Layout layout = MakeLayout(run.network, run.batch_size, forms);
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
