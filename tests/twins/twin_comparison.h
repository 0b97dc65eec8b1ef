// SPDX-License-Identifier: Apache-2.0
//
// How far the engine's numbers are from those of its naive twin.
#ifndef BACKPROP_TESTS_TWINS_TWIN_COMPARISON_H_
#define BACKPROP_TESTS_TWINS_TWIN_COMPARISON_H_

#include <cstddef>
#include <ostream>
#include <vector>

#include "tests/engine/problem.h"
#include "tests/twins/reference_trainer.h"

namespace backprop::testing {

enum class Weights {
  kSame,  // the twin takes over the engine's weights before every step
  kOwn,   // the twin goes its own way, and rounding adds up
};

// Largest differences over a run, those of a vector (a sample's activations in
// a layer, say) divided by its largest number, where that is more than 1;
// infinite where one is NaN.
struct Deviation {
  double outputs = 0;
  double error = 0;
  double activations = 0;  // a in delta rows
  // u in delta rows, and D of plain descent, as the gradients they stand for.
  double signals = 0;
  double weights = 0;  // after each step; 0 with kSame
  // Steps whose u, D and weights were not compared: some number was so near to
  // a kink (ReLU's at 0) that rounding decides the derivative.
  size_t kinks = 0;

  double Largest() const;
};

std::ostream& operator<<(std::ostream& out, const Deviation& deviation);

// Compares every step of a run of the engine (`results`, all steps applied,
// nothing clipped) with the twin; kOwn: of plain descent. kink: distance from a
// kink under which a step is not compared.
Deviation CompareWithTwin(const Problem& problem, const Results& results,
                          Weights weights, double kink);

// Within what a run must stay.
struct Bounds {
  double difference;  // of Deviation's numbers
  double kink;        // as for CompareWithTwin
};

// Trains every problem, each step of which must be possible, and fails the test
// if one strays beyond the bounds, or if more than a twentieth of all steps
// could not be compared because of kinks.
void ExpectNearTwin(const std::vector<Problem>& problems, Weights weights,
                    const Bounds& bounds);

// Step t's samples, from 0, as the twin takes them; with the step's dropout.
std::vector<Sample> SamplesOfStep(const Problem& problem, size_t t);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_TWIN_COMPARISON_H_
