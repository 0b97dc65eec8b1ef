// SPDX-License-Identifier: Apache-2.0
//
// Sequential SGD in blocks is sequential SGD: every part of a network that the
// block form tells apart (engine/training/block_trainer.h), at learning rates
// that it finds easy and hard, against the naive twin.
#include "engine/training/block_trainer.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/parameters.h"
#include "tests/engine/problem.h"
#include "tests/twins/replay.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// Up to 8192 weights at the end are direct layers; the layer before them is the
// pivot; those before that are earlier layers.
const Shape kShapes[] = {
    {8, {16, 1}},               // direct
    {64, {32, 10}},             // direct, all whole vectors
    {300, {40, 5}},             // pivot, direct
    {300, {40}},                // pivot
    {9000, {1}},                // pivot, DENSE
    {100, {120, 110, 10}},      // earlier, pivot, direct
    {90, {100, 97}},            // earlier, pivot
    {96, {112, 96, 96, 20, 4}}  // two earlier, pivot, two direct
};

// More than two blocks, the last one short.
constexpr size_t kSteps = 75;

Problem ProblemOf(const Shape& shape, const Functions& functions, float rate) {
  // A step moves y by the rate and |x|², and δ = e^y − d grows with e^y.
  if (functions.loss == Loss::kPoisson && shape.input_size > 1000) rate /= 64;
  const NetworkSpec network = MakeNetwork(shape, functions);
  return MakeProblem(network, MakeLayout(network, 1), rate, kSteps, 11);
}

// With no kink at which rounding decides.
std::vector<Problem> SmoothProblems(const Shape& shape, float rate) {
  std::vector<Problem> problems;
  for (const Functions& functions : EachFunction()) {
    if (functions.hidden == Activation::kIdentity ||
        functions.hidden == Activation::kRelu ||
        functions.output == Activation::kRelu) {
      continue;
    }
    problems.push_back(ProblemOf(shape, functions, rate));
  }
  return problems;
}

Results TrainInBlocks(const Problem& problem) {
  Trainer trainer;
  return Train(trainer, problem);
}

class BlockTrainerTest : public ::testing::TestWithParam<Shape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, BlockTrainerTest, ::testing::ValuesIn(kShapes),
                         ShapeName);

TEST_P(BlockTrainerTest, TakesStepsOfOneSampleOnly) {
  const NetworkSpec network =
      MakeNetwork(GetParam(), {Activation::kTanh, Activation::kIdentity});
  const Layout one = MakeLayout(network, 1);
  const Layout three = MakeLayout(network, 3);
  const Optimiser optimiser;
  EXPECT_TRUE(BlockTrainer::Takes(
      {.network = &network, .layout = &one, .optimiser = &optimiser}));
  EXPECT_FALSE(BlockTrainer::Takes(
      {.network = &network, .layout = &three, .optimiser = &optimiser}));
}

TEST_P(BlockTrainerTest, EveryStepIsTheTwinsFromTheSameWeights) {
  ExpectNearTwin(SmoothProblems(GetParam(), 0.005F), Weights::kSame,
                 {.difference = 0x1p-16, .kink = 0});
}

TEST_P(BlockTrainerTest, AWholeRunStaysNearTheTwins) {
  ExpectNearTwin(SmoothProblems(GetParam(), 0.005F), Weights::kOwn,
                 {.difference = 0x1p-15, .kink = 0});
}

// Steps so large that a window of eight does not converge.
TEST_P(BlockTrainerTest, LargeStepsAreExactToo) {
  std::vector<Problem> problems;
  for (const Activation hidden : {Activation::kSigmoid, Activation::kTanh}) {
    problems.push_back(
        ProblemOf(GetParam(), {hidden, Activation::kSigmoid}, 1.0F));
  }
  ExpectNearTwin(problems, Weights::kSame, {.difference = 0x1p-13, .kink = 0});
}

TEST_P(BlockTrainerTest, DeltaRowsReplayToTheSameBits) {
  for (const Functions& functions : EachFunction()) {
    for (const float rate : {0.005F, 0.5F}) {
      const Problem problem = ProblemOf(GetParam(), functions, rate);
      ExpectReplayed(problem, TrainInBlocks(problem));
    }
  }
}

TEST_P(BlockTrainerTest, ABrokenStepEndsTheRunWhereverItStands) {
  for (const size_t bad : {0, 1, 5, 8, 31, 32, 40, 74}) {
    for (const float rate : {0.005F, 0.5F}) {
      Problem problem =
          ProblemOf(GetParam(), {Activation::kTanh, Activation::kTanh}, rate);
      problem.targets[bad * problem.layout.output_size()] =
          6e19F;  // squared: ∞
      const Results results = TrainInBlocks(problem);
      EXPECT_EQ(results.applied, bad) << problem.name();
      ExpectReplayed(problem, results);
    }
  }
}

TEST_P(BlockTrainerTest, ABrokenInputEndsTheRunWhereverItStands) {
  for (const size_t bad : {0, 1, 5, 8, 31, 32, 40, 74}) {
    Problem problem = ProblemOf(
        GetParam(), {Activation::kRelu, Activation::kIdentity}, 0.001F);
    const size_t inputs = problem.layout.input_size();
    for (size_t j = 0; j < inputs; ++j) {
      float& x = problem.inputs[bad * inputs + j];
      x = x < 0 ? -3e38F : 3e38F;  // pre-activations overflow
    }
    const Results results = TrainInBlocks(problem);
    EXPECT_LE(results.applied, bad) << problem.name();
    ExpectReplayed(problem, results);
  }
}

TEST_P(BlockTrainerTest, SameMessagesSameBits) {
  const Problem problem =
      ProblemOf(GetParam(), {Activation::kSigmoid, Activation::kSigmoid}, 0.5F);
  Trainer trainer;
  const Results once = Train(trainer, problem, {.lengths = {20}});
  for (const Shape& other : kShapes) {  // leaves its traces in the memory
    Train(trainer,
          ProblemOf(other, {Activation::kTanh, Activation::kTanh}, 0.1F));
  }
  const Results again = Train(trainer, problem, {.lengths = {20}});
  EXPECT_EQ(Bits(once.weights), Bits(again.weights));
  EXPECT_EQ(Bits(once.errors), Bits(again.errors));
  EXPECT_EQ(Bits(once.deltas), Bits(again.deltas));
  EXPECT_EQ(Bits(once.outputs), Bits(again.outputs));
}

}  // namespace
}  // namespace backprop::testing
