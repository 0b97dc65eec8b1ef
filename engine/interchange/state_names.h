// SPDX-License-Identifier: Apache-2.0
//
// What state vectors are called in a file.
#ifndef BACKPROP_ENGINE_INTERCHANGE_STATE_NAMES_H_
#define BACKPROP_ENGINE_INTERCHANGE_STATE_NAMES_H_

#include <string>
#include <vector>

#include "engine/contract/rules.h"

namespace backprop {

// Of a rule's state vectors, in their order, as in the state of PyTorch's
// optimiser of that name.
std::vector<std::string> StateNames(Rule rule);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_STATE_NAMES_H_
