// SPDX-License-Identifier: Apache-2.0
//
// The trainer on problems of which nothing but a seed is known, in calls of any
// length, against the naive twin. Batch 1 is the block form.
#include <gtest/gtest.h>

#include "engine/training/trainer.h"
#include "tests/engine/random_problem.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

// What 5 layers with sums of up to 150 products round to, forward and back, in
// a vector whose largest number is 1 (measured: 8.7e-7).
constexpr double kRounding = 0x1p-18;
// Where earlier layers are iterated, their pre-activations may be off by 2^−20
// of the largest in the layer (engine/README.md (3)), which dead and saturated
// units make 40 here; later layers carry it on (measured: 3.1e-5).
constexpr double kIteration = 0x1p-14;

constexpr double kKink = 3e-5;

void CheckSeeds(uint32_t begin, uint32_t end, const Range& range,
                double bound) {
  Trainer trainer;
  size_t kinks = 0;
  for (uint32_t seed = begin; seed < end; ++seed) {
    Problem problem = RandomProblem(seed, range);
    problem.optimiser.max_norm = 0;  // the twin doesn't clip
    const Results results = Train(trainer, problem, RandomCalls(seed));
    ASSERT_EQ(results.applied, range.steps) << problem.name() << ", " << seed;
    const Deviation deviation =
        CompareWithTwin(problem, results, Weights::kSame, kKink);
    EXPECT_LE(deviation.Largest(), bound)
        << problem.name() << ", " << seed << ": " << deviation;
    kinks += deviation.kinks;
  }
  EXPECT_LE(kinks, (end - begin) * range.steps / 20) << "not compared";
}

TEST(TrainerRandomTest, SmallNetworksOneSampleAStep) {
  CheckSeeds(1000, 1120, {.largest_batch = 1}, kRounding);
}

TEST(TrainerRandomTest, LargeNetworksOneSampleAStep) {
  CheckSeeds(2000, 2024, {.widest = 200, .deepest = 5, .largest_batch = 1},
             kIteration);
}

// Steps so large that the block form's windows are cut short.
TEST(TrainerRandomTest, LargeNetworksWithLargeSteps) {
  CheckSeeds(3000, 3016, {.widest = 200, .largest_batch = 1, .largest_rate = 3},
             kIteration);
}

TEST(TrainerRandomTest, SeveralSamplesAStep) {
  CheckSeeds(4000, 4060, {}, kRounding);
  CheckSeeds(4200, 4210, {.widest = 150, .largest_batch = 9, .steps = 30},
             kRounding);
}

// Optimisers are the contract's (replica_test.cc); what they are fed is
// compared.
TEST(TrainerRandomTest, GradientsOfAnyOptimiserAndDropout) {
  CheckSeeds(5000, 5100,
             {.any_optimiser = true, .dropout = true, .largest_rate = 0.03F},
             kRounding);
  CheckSeeds(5200, 5210,
             {.widest = 150,
              .steps = 30,
              .any_optimiser = true,
              .dropout = true,
              .largest_rate = 0.03F},
             kRounding);
}

}  // namespace
}  // namespace backprop::testing
