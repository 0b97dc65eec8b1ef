// SPDX-License-Identifier: Apache-2.0
//
// 100 steps of every optimiser against PyTorch's in double precision
// (golden/make_optimiser_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "engine/training/trainer.h"
#include "tests/engine/named_optimiser.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 100;

// Weights are of order 1, so that 100 steps in float32 differ by some
// 2^−24·√100 at least; momentum adds up what each step differs by (measured:
// 3.5e-6).
constexpr double kBound = 1e-5;

struct Golden {
  std::vector<double> weights;
  std::vector<double> inputs;
  std::vector<double> targets;
  std::vector<std::string> names;
  // By name and step: the weights after that step.
  std::map<std::pair<std::string, size_t>, std::vector<double>> after;
};

std::vector<double> Numbers(std::istream& in) {
  std::vector<double> numbers;
  double number = 0;
  while (in >> number) numbers.push_back(number);
  return numbers;
}

Golden ReadGolden() {
  std::ifstream file("tests/engine/golden/optimiser_golden.txt");
  Golden golden;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream in(line);
    std::string key;
    in >> key;
    if (key == "weights") golden.weights = Numbers(in);
    if (key == "inputs") golden.inputs = Numbers(in);
    if (key == "targets") golden.targets = Numbers(in);
    if (key != "after") continue;
    std::string name;
    size_t step = 0;
    in >> name >> step;
    if (step == kSteps) golden.names.push_back(name);
    golden.after[{name, step}] = Numbers(in);
  }
  return golden;
}

std::vector<float> Floats(const std::vector<double>& numbers, size_t count) {
  return {numbers.begin(), numbers.begin() + count};
}

// The problem of the golden file, its first `steps` steps.
Problem GoldenProblem(const Golden& golden, const std::string& name,
                      DeltaForm form, size_t steps) {
  Problem problem =
      MakeOptimiserProblem({5, 6, 3}, 2, form, OptimiserOf(name), steps);
  problem.weights = Floats(golden.weights, golden.weights.size());
  problem.inputs = Floats(golden.inputs, problem.inputs.size());
  problem.targets = Floats(golden.targets, problem.targets.size());
  return problem;
}

// Largest difference of a weight after `steps` steps.
double Difference(const Golden& golden, const std::string& name, DeltaForm form,
                  size_t steps) {
  Trainer trainer;
  const Results results =
      Train(trainer, GoldenProblem(golden, name, form, steps));
  EXPECT_EQ(results.applied, steps) << name;
  const std::vector<double>& expected = golden.after.at({name, steps});
  EXPECT_EQ(results.weights.size(), expected.size());
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::fabs(results.weights[i] - expected[i]);
    EXPECT_FALSE(std::isnan(difference)) << name;
    largest = std::max(largest, difference);
  }
  return largest;
}

TEST(OptimiserTorchTest, AHundredStepsAreThoseOfPyTorch) {
  const Golden golden = ReadGolden();
  ASSERT_EQ(golden.names.size(), 38u);
  std::printf("%-38s %10s %10s %10s\n", "largest difference of a weight",
              "1 step", "factored", "dense");
  for (const std::string& name : golden.names) {
    const double first = Difference(golden, name, DeltaForm::kFactored, 1);
    const double factored =
        Difference(golden, name, DeltaForm::kFactored, kSteps);
    const double dense = Difference(golden, name, DeltaForm::kDense, kSteps);
    std::printf("%-38s %10.1e %10.1e %10.1e\n", name.c_str(), first, factored,
                dense);
    EXPECT_LE(first, 1e-6) << name;
    EXPECT_LE(factored, kBound) << name;
    EXPECT_LE(dense, kBound) << name;
  }
}

}  // namespace
}  // namespace backprop::testing
