// SPDX-License-Identifier: Apache-2.0
//
// Many rank-one updates of one weight matrix in one pass over it: what
// ApplyDelta and ApplyDeltas (engine/contract/delta.h) do to a layer by plain
// SGD, for many samples faster. In the delta contract's arithmetic: each weight
// meets the samples in their order, with a multiplication and an addition that
// are rounded apart (no fused multiply-add). A tile of weights stays in
// registers while the samples go by, so that a weight is loaded and stored once
// for all of them. The bits are the same with every instruction set.
#ifndef BACKPROP_ENGINE_KERNELS_RANK_UPDATE_H_
#define BACKPROP_ENGINE_KERNELS_RANK_UPDATE_H_

#include <cstddef>

#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"

namespace backprop {

// The factors of `samples` samples for a layer (outputs, inputs).
struct LayerFactors {
  Rows u;  // (samples, outputs)
  Rows a;  // (samples, inputs)
  size_t samples;
  size_t outputs;
  size_t inputs;
};

// Every sample a step of its own, s = 1…samples:
//   w_ij ← fl(w_ij + fl(u^s_i·a^s_j)),  bias_i ← fl(bias_i + u^s_i)
// w: (outputs, inputs) row-major; bias: (outputs). scratch: for repacked
// factors.
void ApplySteps(const LayerFactors& factors, float* w, float* bias,
                Scratch& scratch);

// All samples one step: g as delta.proto (2) says, then w ← fl(w + g).
void ApplyOneStep(const LayerFactors& factors, float* w, float* bias,
                  Scratch& scratch);

// For a DENSE layer: d ← Σ_s u^s ⊗ a^s, rounded as is fastest (outside the
// contract), then w ← fl(w + d). d: W's delta row-major, then the bias'.
void ApplyDense(const LayerFactors& factors, float* d, float* w, float* bias,
                Scratch& scratch);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_RANK_UPDATE_H_
