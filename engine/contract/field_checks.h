// SPDX-License-Identifier: Apache-2.0
//
// What optimisers' hyperparameters must be, and the words that say so.
#ifndef BACKPROP_ENGINE_CONTRACT_FIELD_CHECKS_H_
#define BACKPROP_ENGINE_CONTRACT_FIELD_CHECKS_H_

#include <string>
#include <utility>
#include <vector>

#include "engine/contract/field_violation.h"

namespace backprop {

// Collects violations, one call a field. NaN fails every check.
class FieldChecks {
 public:
  // 0 ≤ value < 1.
  void Share(const char* field, float value);
  // 0 ≤ value, finite.
  void NotNegative(const char* field, float value);
  // 1e−20 ≤ value, finite. What divides by √v + ε is bounded by what it divides
  // over ε, and that bound must leave room for honest gradients
  // (engine/training/step_bounds.h).
  void Epsilon(const char* field, float value);
  // Of a check that the caller made. problem: what follows the field's name.
  void Refuse(const char* field, std::string problem);

  std::vector<FieldViolation> Take() { return std::move(violations_); }

 private:
  std::vector<FieldViolation> violations_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_FIELD_CHECKS_H_
