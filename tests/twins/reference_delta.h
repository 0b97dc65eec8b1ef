// SPDX-License-Identifier: Apache-2.0
//
// The contract's twin (contract_twin.h) in the engine's types: a replica that
// shares nothing with the engine but layouts and hyperparameters.
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_

#include <span>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/contract/layout.h"
#include "engine/contract/rules.h"
#include "tests/twins/contract_twin.h"

namespace backprop::testing {

TwinRule TwinRuleOf(Rule rule);

// One step of all weights, as ApplyDelta does it. Returns D in layout order,
// (weight_count).
std::vector<float> ApplyReferenceStep(const Layout& layout,
                                      const StepDelta& step,
                                      std::span<float> weights,
                                      std::span<float> state);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_DELTA_H_
