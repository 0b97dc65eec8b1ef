// SPDX-License-Identifier: Apache-2.0
//
// The thin products of the block form: of samples with the samples before them
// (a triangle of which a general matrix product would compute the whole), and
// sums of their rows. Outside the delta contract: rounded as is fastest.
#ifndef BACKPROP_ENGINE_KERNELS_PANEL_PRODUCT_H_
#define BACKPROP_ENGINE_KERNELS_PANEL_PRODUCT_H_

#include <cstddef>

#include "engine/kernels/rows.h"

namespace backprop {

// Samples begin … end − 1 of a block.
struct Window {
  size_t begin;
  size_t end;

  size_t size() const { return end - begin; }
};

// gram[t][s] ← a^t·a^s for t in the window and s ≤ t; gram[t][s] for s > t is
// unspecified. a: (end, size); gram: (end, end).
void Gram(Rows a, Window window, size_t size, MutableRows gram, Panel& scratch);

// y^t ← y^t + Σ_{s<t} c[t][s]·x^s for t in the window, c's other entries being
// unread. x, y: (end, size), apart from each other; c: (end, end).
void AddEarlier(Rows c, Rows x, Window window, size_t size, MutableRows y,
                Panel& scratch);

// y ← y + Σ_{s<terms} c[s]·x^s. x: (terms, size); y: (size).
void AddSum(const float* c, Rows x, size_t terms, size_t size, float* y);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_PANEL_PRODUCT_H_
