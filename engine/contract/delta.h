// SPDX-License-Identifier: Apache-2.0
//
// The delta contract's arithmetic (proto/backprop/v1/delta.proto): separate
// multiply and add, sequential in sample order. The server and the C++ replica
// share this file, so both get the same bits. Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_CONTRACT_DELTA_H_
#define BACKPROP_ENGINE_CONTRACT_DELTA_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/contract/factors.h"
#include "engine/contract/layout.h"

namespace backprop {

// Entries of u and a smaller in magnitude than this become 0.
inline constexpr float kSmallestFactor = 0x1p-60f;

// Largest |D|, and largest |g| that enters an optimiser; see delta.proto (6).
inline constexpr float kLargestDelta = 0x1p96f;
inline constexpr float kLargestGradient = 0x1p48f;

// Sets entries below kSmallestFactor in magnitude to zero, in place.
void FlushSmall(std::span<float> factors);

// What a step brings; the same for server and replica.
struct StepDelta {
  uint64_t number;                 // the step's, from 1 on
  std::span<const float> row;      // (layout.delta_row_length())
  std::span<const float> inputs;   // (batch_size, input_size), the x that the
                                   // network saw; read only if the first layer
                                   // is FACTORED
  std::span<const float> scalars;  // (layout.scalar_count())
};

// w ← fl(w + D) for one step by the layout's rule, and the rule's state with
// it. weights: (layout.weight_count()). state: (layout.state_count(),
// weight_count); of DENSE layers it is not touched.
// delta: (weight_count), receives D in layout order; or empty.
// next: the first layer's product that the trainer wants from the new weights
// (engine/contract/factors.h); only if that layer is FACTORED.
// Threads: none but the caller's.
// Two copies are faster for plain steps (the rule None), as they know more of
// their caller: engine/kernels/rank_update.h keeps a tile of weights in
// registers for a whole block of samples, UpdateLayer in
// engine/training/direct_step-inl.h has weights that are padded to whole
// vectors and stay in the first-level cache. Tests compare the bits.
void ApplyDelta(const Layout& layout, const StepDelta& step,
                std::span<float> weights, std::span<float> state,
                std::span<float> delta = {}, const NextProduct& next = {});

// `steps` steps one after another, with the bits of as many calls of
// ApplyDelta; faster where steps are of one sample, as weights are then read
// once for all. run: rows after rows, each as in StepDelta, in the steps'
// order; number is the first step's.
void ApplyDeltas(const Layout& layout, const StepDelta& run, size_t steps,
                 std::span<float> weights, std::span<float> state);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_DELTA_H_
