// SPDX-License-Identifier: Apache-2.0
//
// Writes a step's factors to where its delta row has them
// (proto/backprop/v1/delta.proto; FactorsOf in engine/contract/factors.h reads
// them from there).
#ifndef BACKPROP_ENGINE_TRAINING_DELTA_ROW_H_
#define BACKPROP_ENGINE_TRAINING_DELTA_ROW_H_

#include <cstddef>

#include "engine/contract/layout.h"
#include "engine/kernels/rows.h"

namespace backprop {

// Layer k's part of `row`, a step's whole delta row. u: (batch_size, outputs);
// a: (batch_size, inputs), what the layer saw.
//   FACTORED: of each sample u and, but for the first layer, a.
//   DENSE, of a step of one sample: D = u ⊗ a with each product rounded, row-
//   major, then u, which is the bias's D. Steps of several samples make D
//   themselves (ApplyDense, StepRow).
// REQUIRES: FACTORED, or batch_size 1.
void WriteDelta(const Layout& layout, size_t k, Rows u, Rows a, float* row);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_DELTA_ROW_H_
