// SPDX-License-Identifier: Apache-2.0
//
// Optimisers by name.
#ifndef BACKPROP_TESTS_ENGINE_NAMED_OPTIMISER_H_
#define BACKPROP_TESTS_ENGINE_NAMED_OPTIMISER_H_

#include <string>
#include <vector>

#include "engine/contract/optimiser.h"
#include "tests/engine/problem.h"

namespace backprop::testing {

struct NamedOptimiser {
  std::string name;
  Optimiser optimiser;
  float rate;
};

// "momentum+l2+max_norm" etc.: a kind, then what else there is, with the values
// that golden/make_optimiser_golden.py uses.
NamedOptimiser OptimiserOf(const std::string& name);

// Every kind: alone, with each of what there is, and with everything.
std::vector<NamedOptimiser> AllOptimisers();

// Gives the problem that optimiser with its rule, its rate, and a state of
// zeros.
void Use(const NamedOptimiser& optimiser, Problem& problem);

// Makes input column 0 zero and, after Use, the state of its weights smaller
// than the contract keeps it: no gradient feeds it, and step 64 ends with its
// becoming 0. The run passes that step.
void LetStateFade(Problem& problem);

// A network of tanh layers and an identity output, all of one form; weights,
// inputs and targets in ±1, state zero. sizes: of the input and each layer.
Problem MakeOptimiserProblem(const std::vector<size_t>& sizes,
                             size_t batch_size, DeltaForm form,
                             const NamedOptimiser& optimiser, size_t steps);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_NAMED_OPTIMISER_H_
