// SPDX-License-Identifier: Apache-2.0
//
// Large layers shared by several threads: the same steps.
#include "engine/training/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/engine/problem.h"
#include "tests/twins/replay.h"

namespace backprop::testing {
namespace {

// A thread a part.
class ThreadCrew : public Crew {
 public:
  size_t size() const override { return 3; }
  void Share(size_t count, const std::function<void(size_t)>& part) override {
    ++calls;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < count; ++i) threads.emplace_back(part, i);
    for (std::thread& thread : threads) thread.join();
  }

  size_t calls = 0;
};

Problem LargeProblem(std::vector<size_t> sizes) {
  const NetworkSpec network = MakeNetwork(
      {300, std::move(sizes)}, {Activation::kTanh, Activation::kIdentity});
  return MakeProblem(network, MakeLayout(network, 1), 1e-3F, 20, 11);
}

// One layer large, and all of several; the parts don't divide evenly.
class CrewTest : public ::testing::TestWithParam<std::vector<size_t>> {};

TEST_P(CrewTest, StepsAreThoseOfOneThread) {
  const Problem problem = LargeProblem(GetParam());
  ThreadCrew crew;
  Trainer shared(&crew);
  Trainer alone;
  const Results results = Train(shared, problem);
  const Results expected = Train(alone, problem);
  EXPECT_GT(crew.calls, 0U);
  ASSERT_EQ(results.applied, problem.steps());
  for (size_t t = 0; t < results.applied; ++t) {
    // Products of other shapes may round differently.
    ASSERT_NEAR(results.errors[t], expected.errors[t],
                1e-4F * (1 + expected.errors[t]))
        << "step " << t;
  }
  ExpectReplayed(problem, results);
}

INSTANTIATE_TEST_SUITE_P(Sizes, CrewTest,
                         ::testing::Values(std::vector<size_t>{3601, 10},
                                           std::vector<size_t>{3601, 1001, 1100,
                                                               7}));

TEST(CrewTest, SmallLayersAreNotShared) {
  const Problem problem = LargeProblem({100, 50, 10});
  ThreadCrew crew;
  Trainer trainer(&crew);
  Train(trainer, problem);
  EXPECT_EQ(crew.calls, 0U);
}

}  // namespace
}  // namespace backprop::testing
