// SPDX-License-Identifier: Apache-2.0
//
// How large a row's numbers are, which is what bounds a step's weight delta
// (delta.proto (6)), and the making of factors, which needs it. A vector at a
// time, chosen for the CPU at hand. NaN where a number is not finite, so that
// one comparison with a bound refuses both what is too large and what is no
// number. Any thread.
#ifndef BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_
#define BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_

#include <cstddef>

namespace backprop {

// The largest |x|, 0 of nothing, or NaN if any is not finite. x: (size).
float LargestMagnitude(const float* x, size_t size);

// The largest |x − y|, or NaN if any is not finite. x, y: (size).
float LargestDifference(const float* x, const float* y, size_t size);

// u ← scale · signal, entries below kSmallestFactor set to 0 (delta.proto (5)).
// Both: (size), which may be the same memory. Returns the largest |u|, or NaN
// if any is not finite.
float ScaleAndFlush(float scale, const float* signal, float* u, size_t size);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_MAGNITUDE_H_
