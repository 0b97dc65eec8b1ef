// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_spec.h"

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

// Mean and factor of a column, and its two doubles and its range while they are
// learnt.
constexpr size_t kNumbersToStandardise = 2;
constexpr size_t kNumbersToLearn = 6;

bool HasMomentum(Rule rule) {
  return rule == rules::Momentum::kRule || rule == rules::Nesterov::kRule;
}

}  // namespace

bool StateFits(Rule rule, Rule origin) {
  return rule == origin || (HasMomentum(rule) && HasMomentum(origin));
}

absl::Status CheckReady(const SessionSpec& spec) {
  if (!AwaitsStandardisation(spec)) return absl::OkStatus();
  return Rejection(
      kNotReady,
      absl::StrCat(
          "input standardisation is learnt from the session's first ",
          spec.learn_samples,
          " samples, which have not all come yet: send them by Train"));
}

size_t NumbersHeld(const SessionSpec& spec, const Layout& layout) {
  // Layouts bound weights and inputs far below 2^60.
  const size_t weights = layout.weight_count() * (1 + layout.state_count());
  size_t a_column = 0;
  if (spec.learn_samples != 0) {
    a_column = kNumbersToStandardise + kNumbersToLearn;
  } else if (!spec.input.mean.empty()) {
    a_column = kNumbersToStandardise;
  }
  return weights + a_column * layout.input_size();
}

}  // namespace backprop
