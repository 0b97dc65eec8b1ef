// SPDX-License-Identifier: Apache-2.0
//
// The two vectors a sample whose outer product is its weight delta or gradient,
// and where a step's delta row holds them (proto/backprop/v1/delta.proto).
#ifndef BACKPROP_ENGINE_CONTRACT_FACTORS_H_
#define BACKPROP_ENGINE_CONTRACT_FACTORS_H_

#include <cstddef>
#include <span>

#include "engine/contract/layout.h"

namespace backprop {

// g of a matrix is Σ_s u^s ⊗ a^s, summed in sample order. Sample s has its u,
// (rows), at u + s·u_stride and its a, (columns), at a + s·a_stride.
struct Factors {
  const float* u;
  size_t u_stride;
  const float* a;
  size_t a_stride;
  size_t samples;
};

// The new weights' product with a vector, z = W·x, made on the way while they
// are at hand; outside the contract. x: (columns); null: none is wanted. z:
// (rows).
struct NextProduct {
  const float* x = nullptr;
  float* z = nullptr;
};

// Of layer k, which is FACTORED. row: (delta_row_length); inputs: (batch_size,
// input_size), not read but for the first layer. They must outlive the answer.
Factors FactorsOf(const Layout& layout, size_t k, std::span<const float> row,
                  std::span<const float> inputs);

// Numbers g as the factors of one row: u = (1) and a = g, for 1·x = x.
Factors AsFactors(const float* g);

// Of the same layer's bias, as one row.
Factors BiasFactors(const Factors& factors);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_FACTORS_H_
