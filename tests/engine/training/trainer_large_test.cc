// SPDX-License-Identifier: Apache-2.0
//
// The engine's trainer against its naive twin where layers have some ten
// thousand weights and more, and a fast engine takes other ways than with small
// ones.
#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/parameters.h"
#include "tests/engine/problem.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// Sums of up to 150 products (measured: 3.0e-6 and 2.7e-6).
constexpr Bounds kStepBounds = {.difference = 0x1p-16, .kink = 2e-5};
constexpr Bounds kRunBounds = {.difference = 0x1p-15, .kink = 1e-4};

constexpr float kLearningRate = 0.02F;

const Shape kShapes[] = {
    {100, {90}},       {150, {70, 10}},          {20, {100, 90}},
    {9, {9, 100, 90}}, {90, {100, 80, 110, 10}}, {3, {120, 100, 5, 4}},
};

constexpr Functions kFunctions[] = {
    {Activation::kTanh, Activation::kSoftmax, Loss::kCrossEntropy},
    {Activation::kSigmoid, Activation::kIdentity, Loss::kCrossEntropy},
    {Activation::kRelu, Activation::kIdentity, Loss::kHalfSquaredError},
    {Activation::kTanh, Activation::kSigmoid, Loss::kHalfSquaredError},
};

std::vector<Problem> ProblemsOf(const Shape& shape, float learning_rate) {
  std::vector<Problem> problems;
  uint32_t seed = 1;
  for (const Functions& functions : kFunctions) {
    const NetworkSpec network = MakeNetwork(shape, functions);
    for (const size_t batch_size : {1, 4}) {
      problems.push_back(MakeProblem(network, MakeLayout(network, batch_size),
                                     learning_rate, 70, seed++));
    }
  }
  return problems;
}

class LargeTrainerTest : public ::testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, LargeTrainerTest, ::testing::ValuesIn(kShapes),
                         ShapeName);

TEST_P(LargeTrainerTest, EveryStepIsTheTwinsStepFromTheSameWeights) {
  ExpectNearTwin(ProblemsOf(GetParam(), kLearningRate), Weights::kSame,
                 kStepBounds);
}

TEST_P(LargeTrainerTest, AWholeRunStaysNearTheTwins) {
  ExpectNearTwin(ProblemsOf(GetParam(), kLearningRate), Weights::kOwn,
                 kRunBounds);
}

}  // namespace
}  // namespace backprop::testing
