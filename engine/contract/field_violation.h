// SPDX-License-Identifier: Apache-2.0
//
// How a check of a spec says what it found: every Validate() of the engine
// returns a list of these, empty if nothing is wrong.
#ifndef BACKPROP_ENGINE_CONTRACT_FIELD_VIOLATION_H_
#define BACKPROP_ENGINE_CONTRACT_FIELD_VIOLATION_H_

#include <string>

namespace backprop {

// What is wrong with one field of a spec, and what to do about it.
struct FieldViolation {
  std::string field;  // e.g. "layers[1].size"
  std::string description;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_FIELD_VIOLATION_H_
