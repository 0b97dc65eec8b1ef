// SPDX-License-Identifier: Apache-2.0
//
// Training runs as another implementation computed them (golden/make_golden.py
// says which and how).
#ifndef BACKPROP_TESTS_ENGINE_GOLDEN_RUN_H_
#define BACKPROP_TESTS_ENGINE_GOLDEN_RUN_H_

#include <string>
#include <vector>

#include "engine/network/network.h"
#include "tests/twins/reference_functions.h"

namespace backprop::testing {

struct GoldenStep {
  Vector inputs;   // (B, input_size)
  Vector targets;  // (B, output_size)
  Vector outputs;  // (B, output_size)
  double error = 0;
  Vector gradient;  // (weight_count)
  Vector weights;   // (weight_count), after the step
};

struct GoldenRun {
  std::string name;
  NetworkSpec network;
  size_t batch_size = 0;
  float learning_rate = 0;
  Vector weights;  // (weight_count), before the first step
  std::vector<GoldenStep> steps;
};

// Every run of the golden folder, in the order of their names. Fails the test
// if a file cannot be understood.
std::vector<GoldenRun> ReadGoldenRuns();

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_GOLDEN_RUN_H_
