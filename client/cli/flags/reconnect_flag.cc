// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/reconnect_flag.h"

#include <chrono>

#include "absl/strings/str_format.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/connection_flags.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {

RetryPolicy ReconnectFlag::policy() const {
  RetryPolicy policy;
  policy.within = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<float>(seconds));
  return policy;
}

std::string ReconnectFlag::Told(const absl::Status& cause) const {
  if (ConnectionFaultOf(cause) == ConnectionFault::kCut) {
    return absl::StrFormat("%s: opening it anew\n%s", cause.message(),
                           kAdviceOnCuts);
  }
  return absl::StrFormat(
      "the server went away (%s): looking for it for %g seconds",
      cause.message(), seconds);
}

Option* AddReconnectFlag(Command& command, ReconnectFlag* flag) {
  return command
      .add_option("--reconnect-for", flag->seconds,
                  "Where the server goes away, look for it so long, and go on; "
                  "0: end then")
      ->check(NumberBetween(0, 86400))
      ->type_name("SECONDS")
      ->capture_default_str();
}

}  // namespace backprop::cli
