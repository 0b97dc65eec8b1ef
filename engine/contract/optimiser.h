// SPDX-License-Identifier: Apache-2.0
//
// How a session's gradients become weight deltas: its rule's hyperparameters,
// what is done beside the rule, and the scalar row that tells replicas of both
// (proto/backprop/v1/delta.proto (7)). Part of the delta contract: the server
// and the C++ replica share this file. Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_
#define BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/contract/field_violation.h"
#include "engine/contract/rules.h"

namespace backprop {

// Hyperparameters, all but the learning rate, which a Schedule gives. Defaults
// are PyTorch's.
struct Optimiser {
  Rules::Choice rule = rules::Sgd();  // with what is its own
  float l2 = 0;                       // λ2
  float l1 = 0;                       // λ1
  float decoupled_decay = 0;          // λ
  float max_norm = 0;                 // clipping by norm; 0: off
  float max_value = 0;                // clipping by value; 0: off
};

// All violations; field names are those of v1.Optimiser, e.g. "adam.beta1",
// "l2", "clipping.max_norm".
std::vector<FieldViolation> Validate(const Optimiser& optimiser);

// What a session that is made with it moves by, for good (Layout::rule): None
// for plain descent with nothing beside it but clipping by norm, else its rule.
Rule RuleOf(const Optimiser& optimiser);

// State vectors (each weight_count long) and length of a scalar row; Layout has
// both.
size_t StateCount(Rule rule);
size_t ScalarCount(Rule rule);
inline constexpr size_t kMostScalars = kCommonScalars + Rules::kMostOwnScalars;

// Fills a scalar row. rate: α of the step. age: n, steps since the state was
// zero, this one included. scalars: (scalar_count) of the session's layout;
// empty, and left so, with the rule None.
void StepScalars(const Optimiser& optimiser, float rate, uint64_t age,
                 std::span<float> scalars);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_
