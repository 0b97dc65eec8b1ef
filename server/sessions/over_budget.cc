// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/over_budget.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace backprop {

absl::Status OverBudget(const Shortage& shortage, const ErrorReason& reason,
                        std::string_view advice) {
  const std::string what(shortage.what);
  const std::string flags(shortage.flags);
  if (shortage.needed > shortage.limit) {
    return InvalidField(
        shortage.field,
        absl::StrCat("needs ", shortage.needed, " ", what, "; all requests ",
                     "together may have ", shortage.limit, " (", flags,
                     "): ask for less, or have that raised"));
  }
  return Rejection(
      reason, absl::StrCat("others have too much of the ", shortage.limit, " ",
                           what, " (", flags, ") for the ", shortage.needed,
                           " needed here: ", std::string(advice)));
}

}  // namespace backprop
