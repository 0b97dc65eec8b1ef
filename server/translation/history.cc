// SPDX-License-Identifier: Apache-2.0
#include "server/translation/history.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "server/sessions/rejection.h"
#include "server/translation/timestamp.h"

namespace backprop {
namespace {

constexpr std::chrono::seconds kLeastAge(1);
constexpr std::chrono::hours kLargestAge(10 * 365 * 24);

}  // namespace

void HistoryFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                      std::vector<FieldViolation>& violations) {
  if (!proto.has_history()) return;
  const v1::History& from = proto.history();
  HistoryLimits& to = spec->history;
  if (spec->durability.mode == DurabilityMode::kMemory) {
    violations.push_back(
        {"spec.history",
         "can't be kept with durability MEMORY, which is never "
         "stored: leave it out, or choose DURABLE"});
  }
  to.max_steps = from.max_steps();
  to.max_bytes = from.max_bytes();
  if (from.has_max_age()) {
    const auto age = DurationFromProto(from.max_age());
    if (age.has_value() && *age >= kLeastAge && *age <= kLargestAge) {
      to.max_age = *age;
    } else {
      violations.push_back(
          {"spec.history.max_age",
           absl::StrCat("is ", from.max_age().seconds(), " s ",
                        from.max_age().nanos(),
                        " ns; must be from 1 s to 10 years, or be left out, "
                        "for steps of any age")});
    }
  } else if (!to.any()) {
    violations.push_back({"spec.history",
                          "has no limit: set max_steps, max_age or max_bytes, "
                          "or leave it out, for no history"});
  }
}

void HistoryToProto(const HistoryLimits& limits, v1::SessionSpec* proto) {
  if (!limits.any()) return;
  v1::History& to = *proto->mutable_history();
  to.set_max_steps(limits.max_steps);
  to.set_max_bytes(limits.max_bytes);
  if (limits.max_age.count() == 0) return;
  DurationToProto(limits.max_age, to.mutable_max_age());
}

absl::Status CheckHistory(const SessionSpec& spec, const Layout& layout) {
  if (!spec.history.any() || layout.state_count() == 0) return absl::OkStatus();
  const auto dense =
      std::ranges::find(layout.layers(), DeltaForm::kDense, &LayerLayout::form);
  if (dense == layout.layers().end()) return absl::OkStatus();
  return InvalidField(
      "spec.history",
      absl::StrCat("can't be kept of steps that don't bring the optimiser's "
                   "state back: layer ",
                   dense - layout.layers().begin() + 1,
                   " is DENSE; set its delta_form to FACTORED, or leave "
                   "history out"));
}

}  // namespace backprop
