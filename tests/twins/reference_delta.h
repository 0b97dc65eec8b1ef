// SPDX-License-Identifier: Apache-2.0
//
// The delta contract (proto/backprop/v1/delta.proto) written out once more:
// float32, one weight at a time, each operation rounded by itself. A replica
// that shares nothing with the engine but layouts and hyperparameters.
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_

#include <span>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/contract/layout.h"
#include "engine/contract/optimiser.h"

namespace backprop::testing {

// (7) for one weight: returns D. m, v: the state vectors in order; moved on.
float ReferenceWeightDelta(const Optimiser& optimiser,
                           std::span<const float> scalars, float g, float w,
                           float* m, float* v);

// One step of all weights, as ApplyDelta does it. Returns D in layout order,
// (weight_count).
std::vector<float> ApplyReferenceStep(const Layout& layout,
                                      const Optimiser& optimiser,
                                      const StepDelta& step,
                                      std::span<float> weights,
                                      std::span<float> state);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_
