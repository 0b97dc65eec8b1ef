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

constexpr size_t kLongestDisplayName = 63;

// Where the first control character stands (Unicode's category Cc, of one byte
// or, from U+0080 to U+009F, of two); npos if there is none. A terminal would
// do what they say.
size_t FindControl(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7f) return i;
    if (byte == 0xc2 && i + 1 < name.size() &&
        static_cast<unsigned char>(name[i + 1]) < 0xa0) {
      return i;
    }
  }
  return std::string_view::npos;
}

}  // namespace

bool StateFits(Rule rule, Rule origin) {
  return rule == origin || (HasMomentum(rule) && HasMomentum(origin));
}

std::vector<FieldViolation> ValidateDisplayName(std::string_view name) {
  std::vector<FieldViolation> violations;
  if (name.size() > kLongestDisplayName) {
    violations.push_back(
        {"display_name",
         absl::StrCat("has ", name.size(), " bytes; must have at most ",
                      kLongestDisplayName)});
  }
  if (const size_t at = FindControl(name); at != std::string_view::npos) {
    violations.push_back(
        {"display_name",
         absl::StrCat("has a control character, byte ", at + 1, " of ",
                      name.size(), "; must have none")});
  }
  return violations;
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
