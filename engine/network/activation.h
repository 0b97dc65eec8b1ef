// SPDX-License-Identifier: Apache-2.0
//
// The functions that layers apply to their pre-activations z, and their
// derivatives (Activation in proto/backprop/v1/network.proto). Vectorised, for
// the CPU that they run on.
//
// Accuracy, whatever the CPU: f is within 3 units in the last place of its
// exact value (GELU within 6, or 2^-145 where that is more), and f′ within
// 2^-21·max(1, c), c being negative_scale. Of NaN f is NaN. Softmax: see
// engine/network/softmax.h.
#ifndef BACKPROP_ENGINE_NETWORK_ACTIVATION_H_
#define BACKPROP_ENGINE_NETWORK_ACTIVATION_H_

#include <cstddef>
#include <span>

#include "engine/network/network.h"

namespace backprop {

// a = f(z) for one sample's layer. z, a: (outputs); may be the same memory.
// Softmax apart, any number of samples may follow each other.
void Activate(const LayerSpec& layer, std::span<const float> z,
              std::span<float> a);

// The same in the form that factors have (delta.proto (5)): entries below
// kSmallestFactor set to 0. z, a: (size) of one sample, which may be the same
// memory. Returns the largest |a|, or NaN if any is not finite.
float ActivateAndFlush(const LayerSpec& layer, const float* z, float* a,
                       size_t size);

// signal ← signal · f′(z), elementwise, where a = f(z) (before dropout). All:
// (outputs), or several samples' outputs. Not for softmax, which is fused with
// its loss (engine/network/loss.h).
void MultiplyByDerivative(const LayerSpec& layer, std::span<const float> z,
                          std::span<const float> a, std::span<float> signal);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_ACTIVATION_H_
