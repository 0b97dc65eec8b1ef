// SPDX-License-Identifier: Apache-2.0
//
// The Gram matrix of a block's samples with the samples before them: a triangle
// of which a general matrix product would compute the whole. Outside the delta
// contract: rounded as is fastest. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_GRAM_H_
#define BACKPROP_ENGINE_KERNELS_GRAM_H_

#include <cstddef>

#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"

namespace backprop {

// gram[t][s] ← a^t·a^s for t in the window and s ≤ t; gram[t][s] for s > t is
// unspecified. a: (window.end, size); gram: (window.end, window.end).
void Gram(Rows a, Window window, size_t size, MutableRows gram,
          Scratch& scratch);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_GRAM_H_
