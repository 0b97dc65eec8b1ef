// SPDX-License-Identifier: Apache-2.0
//
// How large a row's numbers are, which is what bounds a step's weight delta
// (delta.proto (6)), and the making of factors, which needs it. A vector at a
// time, chosen for the CPU at hand. NaN where a number is not finite, so that
// one comparison with a bound refuses both what is too large and what is no
// number. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_
#define BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_

#include <algorithm>
#include <cstddef>

#include "engine/kernels/rows.h"

namespace backprop {

// The largest |x|, 0 of nothing, or NaN if any is not finite. x: (size).
float LargestMagnitude(const float* x, size_t size);

// The largest |x − y|, or NaN if any is not finite. x, y: (size).
float LargestDifference(const float* x, const float* y, size_t size);

// Upper bound of every |u_i·a_j| and |u_i|, which are a step's |D|, or its |g|
// where the optimiser makes D of it: u times the larger of a and 1, the latter
// for the bias. largest_u, largest_a: the largest |u_i| and |a_j|, or NaN,
// which stays (in this order std::max keeps it). Exact.
inline double FactorBound(float largest_u, float largest_a) {
  return double{largest_u} * std::max(double{largest_a}, 1.0);
}

// The same for a step of several samples, whose products are summed, with the
// roundings of that sum. u: (samples, outputs); a: (samples, inputs).
double FactorBound(Rows u, size_t outputs, Rows a, size_t inputs,
                   size_t samples);

// u ← scale · signal, entries below kSmallestFactor set to 0 (delta.proto (5)).
// Both: (size), which may be the same memory. Returns the largest |u|, or NaN
// if any is not finite.
float ScaleAndFlush(float scale, const float* signal, float* u, size_t size);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_
