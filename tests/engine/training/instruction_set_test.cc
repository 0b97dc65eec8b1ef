// SPDX-License-Identifier: Apache-2.0
//
// The engine chooses its vector instructions when it runs. Whatever it chooses,
// deltas are added in the contract's arithmetic, and training is the twin's.
#include <gtest/gtest.h>

#include <vector>

#include "engine/training/trainer.h"
#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"
#include "tests/twins/replay.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// Small and large layers whose sizes leave remainders by every vector length.
std::vector<Problem> Problems() {
  std::vector<Problem> problems;
  uint32_t seed = 1;
  for (const Shape& shape : {Shape{7, {19, 3}}, Shape{1, {2, 1}},
                             Shape{41, {101, 97, 5}}, Shape{99, {103}}}) {
    for (const Activation hidden :
         {Activation::kSigmoid, Activation::kTanh, Activation::kRelu}) {
      const NetworkSpec network =
          MakeNetwork(shape, {hidden, Activation::kIdentity});
      for (const size_t batch_size : {1, 3}) {
        problems.push_back(MakeProblem(network, MakeLayout(network, batch_size),
                                       0.02F, 50, seed++));
      }
    }
  }
  return problems;
}

TEST(InstructionSetTest, EveryOneGivesTheContractsBits) {
  OnEveryTarget([] {
    Trainer trainer;
    for (const Problem& problem : Problems()) {
      const Results results = Train(trainer, problem);
      ASSERT_EQ(results.applied, problem.steps()) << problem.name();
      ExpectReplayed(problem, results);
    }
  });
}

TEST(InstructionSetTest, EveryOneTrainsAsTheTwinDoes) {
  OnEveryTarget([] {
    ExpectNearTwin(Problems(), Weights::kSame,
                   {.difference = 0x1p-16, .kink = 2e-5});
  });
}

}  // namespace
}  // namespace backprop::testing
