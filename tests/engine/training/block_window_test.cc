// SPDX-License-Identifier: Apache-2.0
//
// A window that moves over a block's samples makes the steps that one sample
// after another makes, and forgets nothing on its way. That those are the right
// ones is block_trainer_test.cc's to see.
#include "engine/training/block_window.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 32;  // one block

struct Case {
  Shape shape;
  size_t pivot;
};
const Case kCases[] = {{{100, {120, 110, 10}}, 1},
                       {{96, {112, 96, 96, 20, 4}}, 2}};

Problem ProblemOf(const Shape& shape, float rate) {
  const NetworkSpec network =
      MakeNetwork(shape, {Activation::kTanh, Activation::kSigmoid});
  return MakeProblem(network, MakeLayout(network, 1), rate, kSteps, 11);
}

struct Swept {
  Results results;
  size_t sweeps = 0;
  size_t unfinished = 0;  // that left samples of their window for the next
};

// Windows of `samples`, or of what is left of the block.
Swept SweepBlock(const Problem& problem, size_t pivot, size_t samples) {
  Swept swept;
  const auto train = [&](const Training& training, const TrainRun& run) {
    BlockWindow window(nullptr);
    window.Prepare(training, run, pivot, kSteps);
    window.Begin(0, kSteps);
    size_t accepted = 0;
    while (accepted < kSteps) {
      const Window now{accepted, std::min(accepted + samples, kSteps)};
      const BlockWindow::Outcome outcome = window.Sweep(now);
      if (outcome.accepted == 0) break;
      accepted += outcome.accepted;
      ++swept.sweeps;
      swept.unfinished += outcome.accepted < now.size() ? 1 : 0;
    }
    window.Apply(accepted);
    return accepted;
  };
  swept.results = TrainBy(train, problem, {});
  return swept;
}

void ExpectNear(const std::vector<float>& found,
                const std::vector<float>& expected, const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], 3e-5) << what << " " << i;
  }
}

TEST(BlockWindowTest, AnyLengthMakesTheSameSteps) {
  for (const auto& [shape, pivot] : kCases) {
    for (const float rate : {0.005F, 0.3F}) {
      const Problem problem = ProblemOf(shape, rate);
      const Swept one = SweepBlock(problem, pivot, 1);
      EXPECT_EQ(one.sweeps, kSteps);
      for (const size_t samples : {2, 3, 4, 8, 32}) {
        SCOPED_TRACE(problem.name() + ", windows of " +
                     std::to_string(samples));
        const Swept swept = SweepBlock(problem, pivot, samples);
        EXPECT_EQ(swept.results.applied, kSteps);
        EXPECT_GT(swept.unfinished, 0U);
        ExpectNear(swept.results.errors, one.results.errors, "error");
        ExpectNear(swept.results.deltas, one.results.deltas, "delta");
        ExpectNear(swept.results.weights, one.results.weights, "weight");
      }
    }
  }
}

// One that knew nothing of the window's samples would accept the first of them
// only.
TEST(BlockWindowTest, ASweepBeginsWithWhatTheLastOneFound) {
  for (const auto& [shape, pivot] : kCases) {
    const Problem problem = ProblemOf(shape, 0.005F);
    EXPECT_LT(SweepBlock(problem, pivot, 8).sweeps, kSteps / 2);
    EXPECT_LT(SweepBlock(problem, pivot, 4).sweeps, kSteps * 3 / 4);
  }
}

}  // namespace
}  // namespace backprop::testing
