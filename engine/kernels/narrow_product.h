// SPDX-License-Identifier: Apache-2.0
//
// Products of a few samples with weights as they lie in memory. OpenBLAS'
// kernels for AVX2 repack the weights for every call, which with 8 samples
// takes as long as the product. Outside the delta contract: sums round as is
// fastest. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_NARROW_PRODUCT_H_
#define BACKPROP_ENGINE_KERNELS_NARROW_PRODUCT_H_

#include <cstddef>

#include "engine/kernels/rows.h"

namespace backprop {

// Whether they are faster than OpenBLAS on this CPU, as far as was measured:
// with AVX2 they are. OpenBLAS' kernels for AVX-512 need no repacking.
bool NarrowProductsPay();

// z[t][i] += a^t·w_i for samples t and the weights' rows i. a: (samples, cols);
// w: (rows, cols), as far apart as its stride says. REQUIRES: samples ≥ 2.
void AddNarrowForward(Rows a, size_t samples, Rows w, size_t rows, size_t cols,
                      MutableRows z);

// below[t][j] += Σ_i signal[t][i]·w[i][j]. signal: (samples, rows); below:
// (samples, cols). REQUIRES: samples ≥ 2.
void AddNarrowBackward(Rows signal, size_t samples, Rows w, size_t rows,
                       size_t cols, MutableRows below);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_NARROW_PRODUCT_H_
