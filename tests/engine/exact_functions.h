// SPDX-License-Identifier: Apache-2.0
//
// Activations and losses with all their settings, as network.proto defines
// them, in double. Shares nothing with the engine but the specs.
#ifndef BACKPROP_TESTS_ENGINE_EXACT_FUNCTIONS_H_
#define BACKPROP_TESTS_ENGINE_EXACT_FUNCTIONS_H_

#include <string>
#include <vector>

#include "engine/network.h"

namespace backprop::testing {

// f(z) and f′(z). Not for softmax.
double Exact(const LayerSpec& layer, double z);
double ExactDerivative(const LayerSpec& layer, double z);

// Of a whole layer; softmax too.
std::vector<double> ExactOutputs(const LayerSpec& layer,
                                 const std::vector<double>& z);

// ln(1 + e^z) for any z.
double ExactSoftplus(double z);

// E of one sample, z being the last layer's pre-activations.
double ExactError(const NetworkSpec& network, const std::vector<double>& z,
                  const std::vector<double>& targets);

// ∂E/∂z_i by central differences of ExactError.
double NumericSignal(const NetworkSpec& network, std::vector<double> z,
                     const std::vector<double>& targets, size_t i);

// The distance of float numbers near x; 2^-149 at least.
double UnitInLastPlace(double x);

std::string Name(Activation activation);
std::string Name(Loss loss);

// Every one that there is.
std::vector<Activation> EveryActivation();
std::vector<Loss> EveryLoss();

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_EXACT_FUNCTIONS_H_
