// SPDX-License-Identifier: Apache-2.0
//
// Activations and losses with all their settings, as network.proto defines
// them, in double precision, one obvious formula each. Shares nothing with the
// engine but the specs.
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_FUNCTIONS_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_FUNCTIONS_H_

#include <cstddef>
#include <vector>

#include "engine/network/network.h"

namespace backprop::testing {

using Vector = std::vector<double>;

// f(z) and f′(z) of one number. Not for softmax.
double ReferenceValue(const LayerSpec& layer, double z);
double ReferenceDerivative(const LayerSpec& layer, double z);

// f of a whole layer; softmax too.
Vector ReferenceOutputs(const LayerSpec& layer, const Vector& z);

// ln(1 + e^z) for any z.
double ReferenceSoftplus(double z);

// E of one sample and δ = ∂E/∂z, z being the last layer's pre-activations.
double ReferenceError(const NetworkSpec& network, const Vector& z,
                      const Vector& targets);
Vector ReferenceSignal(const NetworkSpec& network, const Vector& z,
                       const Vector& targets);

// ∂E/∂z_i by central differences of ReferenceError.
double NumericSignal(const NetworkSpec& network, Vector z,
                     const Vector& targets, size_t i);

// How far z is from where f′ jumps, and an output from where the loss's
// derivative does or has an edge; infinite if there is no such place. Nearer
// than rounding, two right implementations may disagree.
double KinkDistance(const LayerSpec& layer, double z);
double LossKinkDistance(const NetworkSpec& network, const Vector& z,
                        const Vector& targets);

// The distance of float numbers near x; 2^-149 at least.
double UnitInLastPlace(double x);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_FUNCTIONS_H_
