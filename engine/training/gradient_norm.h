// SPDX-License-Identifier: Apache-2.0
//
// The Euclidean norm of a step's gradient, for clipping by norm.
#ifndef BACKPROP_ENGINE_TRAINING_GRADIENT_NORM_H_
#define BACKPROP_ENGINE_TRAINING_GRADIENT_NORM_H_

#include <cstddef>
#include <span>

#include "engine/contract/factors.h"

namespace backprop {

// ‖Σ_s u^s ⊗ (a^s, 1)‖² = Σ_st (u^s·u^t)(a^s·a^t + 1): of a layer's weights and
// bias, from the Gram products of its factors, in double. rows, columns:
// lengths of u and of a.
double SquaredNorm(const Factors& factors, size_t rows, size_t columns);

// Σ g², in double.
double SquaredNorm(std::span<const float> g);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_GRADIENT_NORM_H_
