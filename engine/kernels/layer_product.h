// SPDX-License-Identifier: Apache-2.0
//
// The two products of a layer's weights with a panel of samples, a row each:
// the way forward and the way back. By OpenBLAS, or, where that is faster, as
// narrow_product.h has it. Outside the delta contract: they round as is
// fastest. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_LAYER_PRODUCT_H_
#define BACKPROP_ENGINE_KERNELS_LAYER_PRODUCT_H_

#include <cstddef>

#include "engine/kernels/rows.h"

namespace backprop {

// A matrix, row-major without gaps.
struct Matrix {
  const float* data;
  size_t rows;
  size_t cols;
};

// With fewer samples than these at once a product takes more time a sample,
// even if its weights lie in the caches.
size_t FewestSamples();

// z ← a·Wᵀ + bias. a: (samples, w.cols); bias: (w.rows); z: (samples, w.rows).
void Forward(Rows a, size_t samples, Matrix w, const float* bias,
             MutableRows z);

// below ← signal·W. signal: (samples, w.rows); below: (samples, w.cols).
void Backward(Rows signal, size_t samples, Matrix w, MutableRows below);

// The same of columns begin … end − 1 alone; the others are left as they are.
void BackwardColumns(Rows signal, size_t samples, Matrix w, size_t begin,
                     size_t end, MutableRows below);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_LAYER_PRODUCT_H_
