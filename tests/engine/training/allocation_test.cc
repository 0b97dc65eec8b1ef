// SPDX-License-Identifier: Apache-2.0
//
// What is allocated, and when. A program of its own, because it replaces
// operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "engine/network/predictor.h"
#include "engine/training/step_trainer.h"
#include "engine/training/trainer.h"
#include "tests/engine/named_optimiser.h"
#include "tests/engine/problem.h"

namespace {

std::atomic<size_t> allocations{0};
std::atomic<size_t> largest{0};  // in bytes

void* Allocated(size_t size, void* memory) {
  ++allocations;
  if (size > largest) largest = size;
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t size) {
  return Allocated(size, std::malloc(size + 1));
}
void* operator new(size_t size, std::align_val_t alignment) {
  const auto unit = static_cast<size_t>(alignment);
  return Allocated(size, std::aligned_alloc(unit, (size / unit + 1) * unit));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 20;

// Every function, both forms, batches of 1 and 4; small and large layers.
std::vector<Problem> Problems() {
  std::vector<Problem> problems;
  for (const Shape& shape :
       {Shape{30, {20, 10, 5}}, Shape{30, {120, 100, 5}}}) {
    for (const Functions& functions : EachFunction()) {
      const NetworkSpec network = MakeNetwork(shape, functions);
      for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
        for (const size_t batch_size : {1, 4}) {
          problems.push_back(MakeProblem(network,
                                         MakeLayout(network, batch_size, form),
                                         0.01F, kSteps, 1));
        }
      }
    }
  }
  return problems;
}

// Counts what one call of Train allocates.
template <class AnyTrainer>
class CountingTrainer {
 public:
  size_t Train(const Training& training, const TrainRun& run) {
    const size_t before = allocations;
    const size_t applied = trainer_.Train(training, run);
    counted_ = allocations - before;
    return applied;
  }

  // Allocations of one call that trains all of the problem's steps.
  size_t Count(const Problem& problem) {
    EXPECT_EQ(testing::Train(*this, problem).applied, problem.steps());
    return counted_;
  }

 private:
  AnyTrainer trainer_;
  size_t counted_ = 0;
};

TEST(AllocationTest, TheCountersCount) {
  const size_t before = allocations;
  largest = 0;
  std::vector<float> numbers(1000);
  EXPECT_EQ(allocations, before + 1) << numbers.size();
  EXPECT_EQ(largest, 1000 * sizeof(float));
}

TEST(AllocationTest, LayoutsBeyondTheLimitAreRefusedBeforeAllocating) {
  const size_t most = size_t{1} << 31;
  const std::vector<std::vector<size_t>> shapes = {
      {most - 1}, {most - 1, most - 1}, {1000, 1000, most - 1}};
  for (const std::vector<size_t>& sizes : shapes) {
    largest = 0;
    EXPECT_FALSE(Layout::Create(most - 1, sizes, 1, 1'000'000'000).ok());
    EXPECT_LT(largest, 10'000u);
  }
  largest = 0;
  EXPECT_TRUE(
      Layout::Create(most - 1, std::vector{most - 1}, 1, ~size_t{0}).ok())
      << "a layout is small, however large the network";
  EXPECT_LT(largest, 10'000u);
}

TEST(AllocationTest, AWarmTrainerAllocatesNothing) {
  for (const Problem& problem : Problems()) {
    CountingTrainer<Trainer> trainer;
    EXPECT_GT(trainer.Count(problem), 0u) << problem.name();
    EXPECT_EQ(trainer.Count(problem), 0u) << problem.name();
  }
}

TEST(AllocationTest, AWarmTrainerOfAnyOptimiserAllocatesNothing) {
  for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
    for (const size_t batch_size : {1, 3}) {
      for (const NamedOptimiser& named : AllOptimisers()) {
        Problem problem =
            MakeOptimiserProblem({20, 9, 4}, batch_size, form, named, kSteps);
        problem.network.layers[0].dropout = 0.25F;
        const Problem smaller =
            MakeOptimiserProblem({7, 3}, 1, form, named, kSteps);
        CountingTrainer<StepTrainer> trainer;
        EXPECT_GT(trainer.Count(problem), 0u) << named.name;
        trainer.Count(smaller);
        EXPECT_EQ(trainer.Count(problem), 0u) << named.name;
      }
    }
  }
}

TEST(AllocationTest, ASmallerNetworkFindsTheLargerOnesMemory) {
  CountingTrainer<Trainer> trainer;
  const Problem large = Problems().back();
  trainer.Count(large);
  const NetworkSpec network =
      MakeNetwork({7, {6, 5}}, {Activation::kTanh, Activation::kIdentity});
  const Problem small =
      MakeProblem(network, MakeLayout(network, 2), 0.01F, kSteps, 2);
  EXPECT_EQ(trainer.Count(small), 0u);
  EXPECT_EQ(trainer.Count(large), 0u);
}

TEST(AllocationTest, AWarmPredictorAllocatesNothing) {
  const Problem problem = Problems().back();
  Predictor predictor;
  std::vector<float> outputs(problem.targets.size());
  const auto predict = [&] {
    predictor.Predict(problem.network, problem.layout, problem.weights,
                      problem.inputs, outputs);
    predictor.Evaluate(problem.network, problem.layout, problem.weights,
                       problem.inputs, problem.targets);
  };
  predict();
  const size_t before = allocations;
  predict();
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace backprop::testing
