// SPDX-License-Identifier: Apache-2.0
//
// The delta contract (proto/backprop/v1/delta.proto) written out again:
// float32, one number at a time, each multiplication and each addition rounded
// by itself.
#ifndef BACKPROP_TESTS_ENGINE_REFERENCE_DELTA_H_
#define BACKPROP_TESTS_ENGINE_REFERENCE_DELTA_H_

#include <span>
#include <vector>

#include "engine/layout.h"

namespace backprop::testing {

// D of one step in layout order (weight_count). row: (delta_row_length);
// inputs: (batch_size, input_size).
std::vector<float> ReferenceDelta(const Layout& layout,
                                  std::span<const float> row,
                                  std::span<const float> inputs);

// w ← fl(w + D) for each step of `rows` (steps, delta_row_length); inputs:
// (steps·batch_size, input_size).
void ApplyReferenceDeltas(const Layout& layout, std::span<const float> rows,
                          std::span<const float> inputs,
                          std::span<float> weights);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_REFERENCE_DELTA_H_
