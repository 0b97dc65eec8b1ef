// SPDX-License-Identifier: Apache-2.0
//
// The delta contract's arithmetic (proto/backprop/v1/delta.proto): separate
// multiply and add, sequential in sample order. The server and the C++ replica
// share this file, so both get the same bits. Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_DELTA_H_
#define BACKPROP_ENGINE_DELTA_H_

#include <span>

#include "engine/layout.h"

namespace backprop {

// Entries of u and a smaller in magnitude than this become 0.
inline constexpr float kSmallestFactor = 0x1p-60f;

// Largest |D| and largest given |w|; see delta.proto (6).
inline constexpr float kLargestDelta = 0x1p96f;

// Sets entries below kSmallestFactor in magnitude to zero, in place.
void FlushSmall(std::span<float> factors);

// w ← fl(w + D) for one step.
// row: (layout.delta_row_length()), the step's delta row.
// inputs: (batch_size, input_size) row-major, the step's inputs x as the
//   network saw them; read only if the first layer is FACTORED.
// weights: (layout.weight_count()).
// Threads: none but the caller's; no state.
void ApplyDelta(const Layout& layout, std::span<const float> row,
                std::span<const float> inputs, std::span<float> weights);

// D itself, in full: what ApplyDelta adds. delta: (layout.weight_count()), in
// layout order. For people who want to read it, and for tests.
void ExpandDelta(const Layout& layout, std::span<const float> row,
                 std::span<const float> inputs, std::span<float> delta);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_DELTA_H_
