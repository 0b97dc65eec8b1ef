// SPDX-License-Identifier: Apache-2.0
//
// Where activations are flat and numbers of all sizes meet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/training/step_trainer.h"
#include "engine/training/trainer.h"
#include "tests/engine/parameters.h"
#include "tests/engine/problem.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 100;

const DeltaForm kForms[] = {DeltaForm::kFactored, DeltaForm::kDense};

Problem Make(const NetworkSpec& network, DeltaForm form, size_t batch_size) {
  return MakeProblem(network, MakeLayout(network, batch_size, form), 0.05F,
                     kSteps, 11);
}

// All biases of layer k.
std::span<float> Biases(Problem& problem, size_t k) {
  const LayerLayout& layer = problem.layout.layers()[k];
  return std::span(problem.weights).subspan(layer.bias_begin, layer.outputs);
}

TEST(TrainerExtremesTest, DeadRelusStayAsTheyAreAndTheRestLearns) {
  for (const auto& [form, batch_size] : kEveryForm) {
    Problem problem = Make(
        MakeNetwork({4, {5, 2}}, {Activation::kRelu, Activation::kIdentity}),
        form, batch_size);
    std::ranges::fill(Biases(problem, 0), -100.0F);
    Trainer trainer;
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, kSteps);
    const size_t output_bias = problem.layout.layers()[1].bias_begin;
    for (size_t i = 0; i < results.weights.size(); ++i) {
      if (i < output_bias) {
        EXPECT_EQ(results.weights[i], problem.weights[i]) << i;
      } else {
        EXPECT_NE(results.weights[i], problem.weights[i]) << i;
      }
    }
    ExpectNearTwin({problem}, Weights::kSame,
                   {.difference = 0x1p-17, .kink = 1e-5});
  }
}

TEST(TrainerExtremesTest, ReluHasNoSlopeAtZero) {
  for (const DeltaForm form : kForms) {
    Problem problem = Make(
        MakeNetwork({2, {1, 1}}, {Activation::kRelu, Activation::kIdentity}),
        form, 1);
    problem.weights = {0, 0, 0, 1, 0};  // z of the hidden unit is exactly 0
    Trainer trainer;
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, kSteps);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(results.weights[i], 0) << i;
    EXPECT_NE(results.weights[4], 0);
  }
}

TEST(TrainerExtremesTest, SaturatedUnitsAreFlatNotBroken) {
  for (const Activation activation :
       {Activation::kSigmoid, Activation::kTanh}) {
    for (const DeltaForm form : kForms) {
      for (const float bias : {-1e4F, -200.0F, -20.0F, 10.0F, 200.0F, 1e4F}) {
        Problem problem =
            Make(MakeNetwork({4, {5, 3}}, {activation, activation}), form, 1);
        std::ranges::fill(Biases(problem, 0), bias);
        ExpectNearTwin({problem}, Weights::kSame,
                       {.difference = 0x1p-17, .kink = 1e-5});
        std::ranges::fill(Biases(problem, 1), bias);
        ExpectNearTwin({problem}, Weights::kSame,
                       {.difference = 0x1p-17, .kink = 1e-5});
      }
    }
  }
}

TEST(TrainerExtremesTest, CertainSoftmaxIsFlatNotBroken) {
  for (const Activation output :
       {Activation::kSoftmax, Activation::kIdentity}) {
    for (const float logit : {-2000.0F, -90.0F, 30.0F, 90.0F, 2000.0F}) {
      Problem problem = Make(MakeNetwork({4, {3}}, {Activation::kTanh, output,
                                                    Loss::kCrossEntropy}),
                             DeltaForm::kDense, 3);
      Biases(problem, 0)[1] = logit;
      problem.schedule.learning_rate = 1e-3F;
      // Outputs may be logits: bounds are relative to their size.
      ExpectNearTwin({problem}, Weights::kSame,
                     {.difference = 0x1p-20 * std::fabs(logit), .kink = 1e-5});
    }
  }
}

TEST(TrainerExtremesTest, InputsOfAllSizesMeet) {
  for (const auto& [form, batch_size] : kEveryForm) {
    Problem problem =
        Make(MakeNetwork({16, {8, 3}}, {Activation::kTanh, Activation::kSoftmax,
                                        Loss::kCrossEntropy}),
             form, batch_size);
    // Input j is of order 10^(j mod 8 − 4), its weights of 10^−(j mod 8 − 4).
    const auto size = [](size_t j) {
      return std::pow(10.0F, static_cast<float>(j % 8) - 4.0F);
    };
    for (size_t i = 0; i < problem.inputs.size(); ++i) {
      problem.inputs[i] *= size(i % 16);
    }
    for (size_t i = 0; i < 8 * size_t{16}; ++i) {
      problem.weights[i] /= size(i % 16);
    }
    problem.schedule.learning_rate = 1e-9F;  // the largest inputs allow no more
    // D of the first layer is of order 10^3·α.
    ExpectNearTwin({problem}, Weights::kSame,
                   {.difference = 0x1p-17 * 1e3, .kink = 1e-5});
  }
}

TEST(TrainerExtremesTest, SubnormalWeightsAreKept) {
  Problem problem = Make(
      MakeNetwork({3, {2}}, {Activation::kIdentity, Activation::kIdentity}),
      DeltaForm::kFactored, 1);
  std::ranges::fill(problem.inputs, 0.0F);
  std::ranges::fill(problem.targets, 0.0F);
  problem.weights = {0x1p-149F, 0x1.8p-127F, -0x1p-140F, -0x1p-149F,
                     0x1p-126F, 0x1p-130F,   0,          0};
  Trainer trainer;
  const Results results = Train(trainer, problem);
  EXPECT_EQ(results.applied, kSteps);
  EXPECT_EQ(Bits(results.weights), Bits(problem.weights));
}

// The first step's two products are beyond what one bound for all weights lets
// pass, but cancel out: DENSE layers are then looked at number by number, and
// the run goes on with the next step's rate and sample weights.
TEST(TrainerExtremesTest, AStepThatMustBeLookedAtDoesNotDisturbTheNextOnes) {
  Problem problem = Make(
      MakeNetwork({1, {1}}, {Activation::kIdentity, Activation::kIdentity}),
      DeltaForm::kDense, 2);
  problem.weights = {0, 0};
  const size_t looked_at = 3;
  for (size_t t = 0; t < looked_at; ++t) {  // change nothing
    problem.targets[2 * t] = problem.targets[2 * t + 1] = 0;
  }
  problem.inputs[2 * looked_at] = 0x1p60F;
  problem.inputs[2 * looked_at + 1] = -0x1p60F;
  problem.targets[2 * looked_at] = 0x1p40F;
  problem.targets[2 * looked_at + 1] = 0x1p40F;
  problem.schedule = {.kind = ExponentialDecay{.factor = 0.9F},
                      .learning_rate = 0.5F};
  problem.sample_weights = Random(3).Uniforms(2 * kSteps, 0.5F, 1);
  problem.sample_weights[2 * looked_at] = 0.5F;
  problem.sample_weights[2 * looked_at + 1] = 0.5F;
  Trainer trainer;
  StepTrainer steps;
  const Results expected = Train(steps, problem);
  const Results results = Train(trainer, problem);
  ASSERT_EQ(results.applied, kSteps);
  ASSERT_EQ(expected.applied, kSteps);
  EXPECT_GT(results.weights[1], 1e6) << "the bias has moved by 2^40·α/2";
  for (size_t i = 0; i < results.deltas.size(); ++i) {
    const float d = expected.deltas[i];
    EXPECT_NEAR(results.deltas[i], d, 1e-5F * std::fabs(d) + 1e4F) << i;
  }
}

}  // namespace
}  // namespace backprop::testing
