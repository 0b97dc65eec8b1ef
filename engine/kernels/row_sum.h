// SPDX-License-Identifier: Apache-2.0
//
// Weighted sums of earlier samples' rows: what the steps of a block before
// sample t add to its products. Outside the delta contract: rounded as is
// fastest. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_ROW_SUM_H_
#define BACKPROP_ENGINE_KERNELS_ROW_SUM_H_

#include <cstddef>

#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"

namespace backprop {

// y^t ← y^t + Σ_{s<t} c[t][s]·x^s for t in the window; c's other entries are
// not read. x, y: (window.end, size), apart from each other; c: (window.end,
// window.end).
void AddEarlier(Rows c, Rows x, Window window, size_t size, MutableRows y,
                Scratch& scratch);

// y ← y + Σ_{s<terms} c[s]·x^s. x: (terms, size); y: (size).
void AddSum(const float* c, Rows x, size_t terms, size_t size, float* y);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_ROW_SUM_H_
