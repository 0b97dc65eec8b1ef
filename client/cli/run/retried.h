// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_RUN_RETRIED_H_
#define BACKPROP_CLIENT_CLI_RUN_RETRIED_H_

#include <algorithm>
#include <chrono>
#include <thread>

#include "client/cpp/backoff.h"
#include "client/cpp/passing_fault.h"

namespace backprop::cli {

// What call(), an absl::StatusOr, comes to; called again, with backoff, while
// its failure may pass and the policy lets it. It must be safe to repeat.
// unwanted: noticed within 50 ms; what failed last is then the outcome.
template <typename Call>
auto Retried(const RetryPolicy& policy, bool (*unwanted)(), const Call& call)
    -> decltype(call()) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kNoticeAfter = std::chrono::milliseconds(50);
  Backoff backoff(policy, SystemJitter());
  auto result = call();
  while (!result.ok() && MayPass(result.status())) {
    const auto moment = backoff.Next(Clock::now());
    if (!moment.has_value()) break;
    while (!unwanted() && Clock::now() < *moment) {
      std::this_thread::sleep_until(
          std::min(*moment, Clock::now() + kNoticeAfter));
    }
    if (unwanted()) break;
    result = call();
  }
  return result;
}

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_RETRIED_H_
