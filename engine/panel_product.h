// SPDX-License-Identifier: Apache-2.0
//
// Products of a panel (a few to a few hundred samples, a row each) with a
// layer's weights. Unlike a general matrix product they don't repack the
// weights, which costs as much as the product itself where there are few
// samples. Outside the delta contract: rounded as is fastest.
#ifndef BACKPROP_ENGINE_PANEL_PRODUCT_H_
#define BACKPROP_ENGINE_PANEL_PRODUCT_H_

#include <cstddef>

#include "engine/rows.h"

namespace backprop {

// A matrix, row-major without gaps.
struct Matrix {
  const float* data;
  size_t rows;
  size_t cols;
};

// z ← a·Wᵀ + bias for `samples` samples: the way forward.
// a: (samples, w.cols); z: (samples, w.rows); bias: (w.rows) or null for 0.
void Forward(Rows a, size_t samples, Matrix w, const float* bias, MutableRows z,
             Panel& scratch);

// below ← signal·W: the way back.
// signal: (samples, w.rows); below: (samples, w.cols).
void Backward(Rows signal, size_t samples, Matrix w, MutableRows below,
              Panel& scratch);

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

#endif  // BACKPROP_ENGINE_PANEL_PRODUCT_H_
