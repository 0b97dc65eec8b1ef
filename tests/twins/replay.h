// SPDX-License-Identifier: Apache-2.0
//
// What a replica makes of a run's delta rows and scalar rows.
#ifndef BACKPROP_TESTS_TWINS_REPLAY_H_
#define BACKPROP_TESTS_TWINS_REPLAY_H_

#include "tests/engine/problem.h"

namespace backprop::testing {

// Fails the test unless the problem's weights, with the run's applied steps
// added one by one, are the run's weights bit for bit: added by ApplyDelta, and
// by the contract's formulas. Likewise the optimiser's state, where all layers
// are FACTORED, and each step's full delta, where the run has them. No factor
// may be smaller than the contract allows, and scalar rows must be those of the
// schedule's rates and the state's age.
void ExpectReplayed(const Problem& problem, const Results& results);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REPLAY_H_
