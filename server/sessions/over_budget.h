// SPDX-License-Identifier: Apache-2.0
//
// Why a budget refuses. One who wants what others have taken may wait for it;
// one who wants more than there is at all would wait for ever, and has to hear
// what to change instead. This is the one place that tells the two apart.
#ifndef BACKPROP_SERVER_SESSIONS_OVER_BUDGET_H_
#define BACKPROP_SERVER_SESSIONS_OVER_BUDGET_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"
#include "server/sessions/rejection.h"

namespace backprop {

struct Shortage {
  size_t needed = 0;       // by the request that is refused
  size_t limit = 0;        // for all requests together
  std::string_view what;   // with its unit: "bytes of answers"
  std::string_view flags;  // what sets the limit: "--max-total-weights"
  std::string_view
      field;  // of the request: what it is in it that needs so much
};

// needed ≤ limit: `reason` (QUEUE_LIMIT or SESSION_LIMIT), and `advice` says
// how there comes to be room. Beyond: INVALID_REQUEST on the field, with need,
// limit and flags.
absl::Status OverBudget(const Shortage& shortage,
                        const ErrorReason& reason = kQueueLimit,
                        std::string_view advice = "try again with backoff");

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_OVER_BUDGET_H_
