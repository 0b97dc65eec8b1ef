// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/reconnect_flag.h"

#include <chrono>

#include "client/cli/flags/command.h"

namespace backprop::cli {

RetryPolicy ReconnectFlag::policy() const {
  RetryPolicy policy;
  policy.within = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<float>(seconds));
  return policy;
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
