// SPDX-License-Identifier: Apache-2.0
//
// How gradients become weight deltas: hyperparameters, the step's scalars, and
// the elementwise formulas of proto/backprop/v1/delta.proto (7). Part of the
// delta contract: the server and the C++ replica share this file. Built with
// -ffp-contract=off.
#ifndef BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_
#define BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/contract/field_violation.h"

namespace backprop {

enum class OptimiserKind : uint8_t { kSgd, kAdagrad, kRmsProp, kAdam };

// Hyperparameters, all but the learning rate, which a Schedule gives. Unused
// ones are ignored. Defaults are PyTorch's.
struct Optimiser {
  OptimiserKind kind = OptimiserKind::kSgd;
  float momentum = 0;         // μ of kSgd
  bool nesterov = false;      // of kSgd
  float decay = 0.99F;        // ρ of kRmsProp
  float beta1 = 0.9F;         // of kAdam
  float beta2 = 0.999F;       // of kAdam
  float epsilon = 1e-8F;      // of kAdagrad, kRmsProp, kAdam
  float l2 = 0;               // λ2
  float l1 = 0;               // λ1
  float decoupled_decay = 0;  // λ
  float max_norm = 0;         // clipping by norm; 0: off
  float max_value = 0;        // clipping by value; 0: off
  // Set in a session that has FactorKind::kGradient, so that it keeps it should
  // an update take away the decay or clipping that it has it for.
  bool keeps_gradient = false;
};

// All violations; field names are those of v1.Optimiser, e.g. "adam.beta1",
// "l2", "clipping.max_norm".
std::vector<FieldViolation> Validate(const Optimiser& optimiser);

// What the factors of FACTORED layers make; chosen at a session's creation.
enum class FactorKind : uint8_t { kDelta, kGradient };
FactorKind FactorKindOf(const Optimiser& optimiser);

// How g becomes D.
enum class Rule : uint8_t {
  kNone,  // D = g
  kSgd,
  kMomentum,
  kNesterov,
  kAdagrad,
  kRmsProp,
  kAdam,
};
Rule RuleOf(const Optimiser& optimiser);

// State vectors (each weight_count long): 0, 1 or 2.
size_t StateCount(const Optimiser& optimiser);

// Length of a scalar row: 0 with FactorKind::kDelta.
size_t ScalarCount(const Optimiser& optimiser);
inline constexpr size_t kCommonScalars = 5;  // rate, l2, l1, decay, clip
inline constexpr size_t kMostScalars = 10;

// Fills a scalar row. rate: α of the step. age: n, steps since the state was
// zero, this one included. scalars: (ScalarCount(optimiser)).
void StepScalars(const Optimiser& optimiser, float rate, uint64_t age,
                 std::span<float> scalars);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_OPTIMISER_H_
