// SPDX-License-Identifier: Apache-2.0
//
// From pre-activations to factors, a vector at a time. What
// engine/network/activation.h says, and contract point 5 (delta.proto), in one
// pass each.
#ifndef BACKPROP_ENGINE_NETWORK_VECTOR_ACTIVATION_H_
#define BACKPROP_ENGINE_NETWORK_VECTOR_ACTIVATION_H_

#include <cstddef>

#include "engine/network/network.h"

namespace backprop {

// a ← f(z), entries below kSmallestFactor set to 0. z, a: (size), which may be
// the same memory. Returns the largest |a|, or NaN if any is not finite.
float ActivateAndFlush(const LayerSpec& layer, const float* z, float* a,
                       size_t size);

// u ← scale · signal, entries below kSmallestFactor set to 0. Both: (size).
// Returns the largest |u|, or NaN if any is not finite.
float ScaleAndFlush(float scale, const float* signal, float* u, size_t size);

// The largest |x|, or NaN if any is not finite. x: (size).
float Largest(const float* x, size_t size);

// The largest |x − y|, or NaN if any is not finite. x, y: (size).
float LargestDifference(const float* x, const float* y, size_t size);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_VECTOR_ACTIVATION_H_
