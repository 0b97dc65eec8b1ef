// SPDX-License-Identifier: Apache-2.0
//
// What is allocated, and when. A program of its own, because it replaces
// operator new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "engine/predictor.h"
#include "engine/trainer.h"
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
    for (const Functions& functions : AllFunctions()) {
      const NetworkSpec network = MakeNetwork(shape, functions.hidden,
                                              functions.output, functions.loss);
      for (const DeltaForm form : {DeltaForm::kFactored, DeltaForm::kDense}) {
        const std::vector<DeltaForm> forms(3, form);
        for (const size_t batch_size : {1, 4}) {
          problems.push_back(MakeProblem(network,
                                         MakeLayout(network, batch_size, forms),
                                         0.01F, kSteps, 1));
        }
      }
    }
  }
  return problems;
}

// Allocations of one call that trains all of the problem's steps.
size_t AllocationsOfTraining(Trainer& trainer, const Problem& problem) {
  const Layout& layout = problem.layout;
  std::vector<float> weights = problem.weights;
  std::vector<float> errors(kSteps);
  std::vector<float> deltas(kSteps * layout.delta_row_length());
  std::vector<float> outputs(problem.targets.size());
  const TrainRun run{problem.inputs, problem.targets, weights,
                     errors,         deltas,          outputs};
  const Training training{&problem.network, &layout, problem.learning_rate};
  const size_t before = allocations;
  EXPECT_EQ(trainer.Train(training, run), kSteps);
  return allocations - before;
}

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
    Trainer trainer;
    EXPECT_GT(AllocationsOfTraining(trainer, problem), 0u) << problem.name();
    EXPECT_EQ(AllocationsOfTraining(trainer, problem), 0u) << problem.name();
  }
}

TEST(AllocationTest, ASmallerNetworkFindsTheLargerOnesMemory) {
  Trainer trainer;
  const Problem large = Problems().back();
  AllocationsOfTraining(trainer, large);
  const NetworkSpec network =
      MakeNetwork({7, {6, 5}}, Activation::kTanh, Activation::kIdentity,
                  Loss::kHalfSquaredError);
  const Problem small =
      MakeProblem(network, MakeLayout(network, 2), 0.01F, kSteps, 2);
  EXPECT_EQ(AllocationsOfTraining(trainer, small), 0u);
  EXPECT_EQ(AllocationsOfTraining(trainer, large), 0u);
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
