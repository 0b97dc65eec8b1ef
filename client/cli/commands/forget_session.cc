// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/forget_session.h"

#include <thread>

#include "backprop/v1/error_reasons.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPause = std::chrono::milliseconds(20);

}  // namespace

absl::Status ForgetSession(TrainingClient& client,
                           const std::string& session_id,
                           std::chrono::milliseconds patience) {
  const Clock::time_point end = Clock::now() + patience;
  absl::Status status = client.DeleteSession(session_id);
  while (ReasonOf(status) == kSessionBusy.name && Clock::now() < end) {
    std::this_thread::sleep_for(kPause);
    status = client.DeleteSession(session_id);
  }
  return status;
}

}  // namespace backprop::cli
