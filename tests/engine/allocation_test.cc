// SPDX-License-Identifier: Apache-2.0
//
// A trainer that has seen a network allocates nothing when it trains it again.
// A program of its own, because it counts every allocation.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/step_trainer.h"
#include "tests/engine/optimiser_problem.h"

namespace {

std::atomic<size_t> allocations{0};

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace backprop::testing {
namespace {

// Counts what one call of Train allocates.
class CountingTrainer {
 public:
  size_t Train(const Training& training, const TrainRun& run) {
    const size_t before = allocations;
    const size_t applied = trainer_.Train(training, run);
    counted_ = allocations - before;
    return applied;
  }
  size_t counted() const { return counted_; }

 private:
  StepTrainer trainer_;
  size_t counted_ = 0;
};

TEST(AllocationTest, StepsOfANetThatHasBeenSeenAllocateNothing) {
  for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
    for (const size_t batch_size : {1, 3}) {
      for (const NamedOptimiser& named : AllOptimisers()) {
        OptimiserProblem problem =
            MakeOptimiserProblem({20, 9, 4}, batch_size, form, named, 5);
        problem.network.layers[0].dropout = 0.25F;
        OptimiserProblem smaller =
            MakeOptimiserProblem({7, 3}, 1, form, named, 5);
        CountingTrainer trainer;
        RunWith(trainer, problem);
        EXPECT_GT(trainer.counted(), 0u) << "nothing is counted";
        RunWith(trainer, smaller);
        RunWith(trainer, problem);
        EXPECT_EQ(trainer.counted(), 0u) << named.name;
      }
    }
  }
}

}  // namespace
}  // namespace backprop::testing
