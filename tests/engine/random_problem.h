// SPDX-License-Identifier: Apache-2.0
//
// Problems of which nothing but a seed is known: shapes, depth, functions,
// forms, schedules whose rate changes from step to step, sample weights, units
// that are dead or saturated, inputs of mixed scale.
#ifndef BACKPROP_TESTS_ENGINE_RANDOM_PROBLEM_H_
#define BACKPROP_TESTS_ENGINE_RANDOM_PROBLEM_H_

#include <cstddef>
#include <cstdint>

#include "tests/engine/problem.h"

namespace backprop::testing {

// From which a problem is drawn.
struct Range {
  size_t widest = 40;          // inputs and layers
  size_t deepest = 4;          // layers
  size_t largest_batch = 5;    // samples of a step
  size_t steps = 100;          // of the run
  bool any_optimiser = false;  // else plain descent
  bool dropout = false;        // in some layers
  float largest_rate = 0.3F;   // α times Σa² of what a layer sees
};

Problem RandomProblem(uint32_t seed, const Range& range);

// Calls of 1 to 100 steps.
Calls RandomCalls(uint32_t seed);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_RANDOM_PROBLEM_H_
