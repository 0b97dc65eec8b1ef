// SPDX-License-Identifier: Apache-2.0
//
// Calls that may take as long as they take, such as the opening of a stream,
// and that an interrupt ends.
#ifndef BACKPROP_CLIENT_CLI_RUN_CANCELLABLE_H_
#define BACKPROP_CLIENT_CLI_RUN_CANCELLABLE_H_

#include <chrono>
#include <future>

#include "absl/status/status.h"
#include "client/cpp/cancellation.h"

namespace backprop::cli {

// What call(&cancellation), an absl::StatusOr, comes to. It is called in a
// thread of its own and cancelled once `unwanted` says so, which is noticed
// within 50 ms. CANCELLED, "interrupted": it failed then.
template <typename Call>
auto Cancellable(bool (*unwanted)(), const Call& call)
    -> decltype(call(nullptr)) {
  constexpr auto kNoticeAfter = std::chrono::milliseconds(50);
  Cancellation cancellation;
  auto called =
      std::async(std::launch::async, [&] { return call(&cancellation); });
  while (called.wait_for(kNoticeAfter) != std::future_status::ready) {
    if (unwanted()) cancellation.Cancel();
  }
  auto result = called.get();
  if (!result.ok() && unwanted()) return absl::CancelledError("interrupted");
  return result;
}

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_CANCELLABLE_H_
