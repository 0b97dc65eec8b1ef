// SPDX-License-Identifier: Apache-2.0
//
// Every activation and every loss that there is, and what golden files and test
// names call them.
#ifndef BACKPROP_TESTS_ENGINE_FUNCTION_NAMES_H_
#define BACKPROP_TESTS_ENGINE_FUNCTION_NAMES_H_

#include <string>
#include <vector>

#include "engine/network/network.h"

namespace backprop::testing {

std::vector<Activation> EveryActivation();
std::vector<Loss> EveryLoss();

// As in network.proto, without the prefix and in small letters.
std::string Name(Activation activation);
std::string Name(Loss loss);

// Fails the test if nothing has that name.
Activation ActivationNamed(const std::string& name);
Loss LossNamed(const std::string& name);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_FUNCTION_NAMES_H_
