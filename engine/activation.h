// SPDX-License-Identifier: Apache-2.0
//
// The functions that layers apply to their pre-activations z, and their
// derivatives (Activation in proto/backprop/v1/network.proto).
#ifndef BACKPROP_ENGINE_ACTIVATION_H_
#define BACKPROP_ENGINE_ACTIVATION_H_

#include <span>

#include "engine/network.h"

namespace backprop {

// a = f(z) for one sample's layer. z, a: (outputs); may be the same memory.
void Activate(Activation activation, std::span<const float> z,
              std::span<float> a);

// signal ← signal · f′(z), elementwise, where a = f(z). All: (outputs). Not for
// softmax, which is fused with its loss (engine/loss.h).
void MultiplyByDerivative(Activation activation, std::span<const float> a,
                          std::span<float> signal);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_ACTIVATION_H_
