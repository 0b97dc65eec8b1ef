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

#include <span>

#include "engine/network/network.h"

namespace backprop {

// a = f(z) for one sample's layer. z, a: (outputs); may be the same memory.
// Softmax apart, any number of samples may follow each other.
void Activate(const LayerSpec& layer, std::span<const float> z,
              std::span<float> a);

// signal ← signal · f′(z), elementwise, where a = f(z) (before dropout). All:
// (outputs), or several samples' outputs. Not for softmax, which is fused with
// its loss (engine/network/loss.h).
void MultiplyByDerivative(const LayerSpec& layer, std::span<const float> z,
                          std::span<const float> a, std::span<float> signal);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_ACTIVATION_H_
