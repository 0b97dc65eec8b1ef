// SPDX-License-Identifier: Apache-2.0
//
// The engine's trainer against its naive twin: every activation and loss
// with shapes of depth 1 to 4, in both delta forms, by batches of 1 and 3.
#include "engine/training/trainer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/parameters.h"
#include "tests/engine/problem.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

constexpr float kLearningRate = 0.05F;
// So small that differences don't grow from step to step, whatever the
// function.
constexpr float kRunLearningRate = 0.005F;

// Inputs, targets, weights and signals are of order 1 here, so that bounds are
// absolute. One step from the same weights: sums of up to 40 products, through
// up to 4 layers and back, differ by some 16 roundings (measured: 1.9e-6).
constexpr Bounds kStepBounds = {.difference = 0x1p-17, .kink = 1e-5};
// Hundreds of steps, each from the weights that the steps before it left
// (measured: 3.2e-6).
constexpr Bounds kRunBounds = {.difference = 0x1p-15, .kink = 1e-4};

const Shape kShapes[] = {
    {1, {1}},       {3, {2}},        {40, {1}},         {1, {40}},
    {5, {4, 3}},    {17, {9, 4}},    {33, {40, 10}},    {6, {7, 5, 3}},
    {8, {8, 8, 8}}, {12, {5, 9, 4}}, {4, {6, 3, 5, 2}}, {20, {16, 12, 8, 4}},
};

// Every function, with all forms and batch sizes in turn.
std::vector<Problem> ProblemsOf(const Shape& shape, float learning_rate,
                                size_t steps) {
  std::vector<Problem> problems;
  const std::vector<std::vector<DeltaForm>> forms =
      AllForms(shape.sizes.size());
  size_t turn = shape.input_size;
  for (const Functions& functions : AllFunctions()) {
    // Without hidden layers their activation makes no difference.
    if (shape.sizes.size() == 1 && functions.hidden != Activation::kIdentity) {
      continue;
    }
    const NetworkSpec network = MakeNetwork(shape, functions);
    const size_t batch_size = turn / forms.size() % 2 == 0 ? 1 : 3;
    const Layout layout =
        MakeLayout(network, batch_size, forms[turn % forms.size()]);
    problems.push_back(MakeProblem(network, layout, learning_rate, steps,
                                   static_cast<uint32_t>(turn)));
    ++turn;
  }
  return problems;
}

class TrainerTest : public ::testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, TrainerTest, ::testing::ValuesIn(kShapes),
                         ShapeName);

TEST_P(TrainerTest, EveryStepIsTheTwinsStepFromTheSameWeights) {
  ExpectNearTwin(ProblemsOf(GetParam(), kLearningRate, 60), Weights::kSame,
                 kStepBounds);
}

TEST_P(TrainerTest, AWholeRunStaysNearTheTwins) {
  ExpectNearTwin(ProblemsOf(GetParam(), kRunLearningRate, 120), Weights::kOwn,
                 kRunBounds);
}

}  // namespace
}  // namespace backprop::testing
