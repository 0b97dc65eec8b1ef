// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/field_checks.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

constexpr float kSmallestEpsilon = 1e-20F;

}  // namespace

void FieldChecks::Share(const char* field, float value) {
  if (value >= 0 && value < 1) return;
  Refuse(field,
         absl::StrCat("is ", value, "; must be at least 0 and less than 1"));
}

void FieldChecks::NotNegative(const char* field, float value) {
  if (value >= 0 && std::isfinite(value)) return;
  Refuse(field, absl::StrCat("is ", value, "; must be finite, not negative"));
}

void FieldChecks::Epsilon(const char* field, float value) {
  if (value >= kSmallestEpsilon && std::isfinite(value)) return;
  Refuse(field, absl::StrCat("is ", value, "; must be finite and at least ",
                             kSmallestEpsilon));
}

void FieldChecks::Refuse(const char* field, std::string problem) {
  violations_.push_back({field, std::move(problem)});
}

}  // namespace backprop
