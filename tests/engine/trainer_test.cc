// SPDX-License-Identifier: Apache-2.0
//
// The engine's trainer against its naive twin: shapes of depth 1 to 4, both
// delta forms, every activation and loss, batches of 1 and 3; hundreds of
// steps.
#include "engine/trainer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/engine/problem.h"
#include "tests/engine/twin_comparison.h"

namespace backprop::testing {
namespace {

constexpr float kLearningRate = 0.05F;

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

// All layers FACTORED, all DENSE, and one after the other.
std::vector<std::vector<DeltaForm>> AllForms(size_t depth) {
  std::vector<std::vector<DeltaForm>> all;
  all.emplace_back(depth, DeltaForm::kFactored);
  all.emplace_back(depth, DeltaForm::kDense);
  if (depth == 1) return all;
  std::vector<DeltaForm> mixed(depth, DeltaForm::kDense);
  for (size_t k = 1; k < depth; k += 2) mixed[k] = DeltaForm::kFactored;
  all.push_back(mixed);
  return all;
}

std::vector<Problem> ProblemsOf(const Shape& shape, size_t steps) {
  std::vector<Problem> problems;
  uint32_t seed = 1;
  for (const Functions& functions : AllFunctions()) {
    // Without hidden layers their activation makes no difference.
    if (shape.sizes.size() == 1 && functions.hidden != Activation::kIdentity) {
      continue;
    }
    const NetworkSpec network =
        MakeNetwork(shape, functions.hidden, functions.output, functions.loss);
    for (const auto& forms : AllForms(shape.sizes.size())) {
      for (const size_t batch_size : {1, 3}) {
        problems.push_back(MakeProblem(network,
                                       MakeLayout(network, batch_size, forms),
                                       kLearningRate, steps, seed++));
      }
    }
  }
  return problems;
}

class TrainerTest : public ::testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, TrainerTest, ::testing::ValuesIn(kShapes),
                         [](const auto& instance) {
                           return absl::StrCat(
                               instance.param.input_size, "_",
                               absl::StrJoin(instance.param.sizes, "_"));
                         });

TEST_P(TrainerTest, EveryStepIsTheTwinsStepFromTheSameWeights) {
  ExpectNearTwin(ProblemsOf(GetParam(), 60), Weights::kSame, kStepBounds);
}

TEST_P(TrainerTest, AWholeRunStaysNearTheTwins) {
  ExpectNearTwin(ProblemsOf(GetParam(), 200), Weights::kOwn, kRunBounds);
}

}  // namespace
}  // namespace backprop::testing
