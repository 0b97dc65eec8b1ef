// SPDX-License-Identifier: Apache-2.0
//
// --reconnect-for: for how long a command looks for a server that went away.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_RECONNECT_FLAG_H_
#define BACKPROP_CLIENT_CLI_FLAGS_RECONNECT_FLAG_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/flags/command_line.h"
#include "client/cpp/backoff.h"

namespace backprop::cli {

struct ReconnectFlag {
  float seconds = 60;

  RetryPolicy policy() const;
  // What is told when a stream breaks and is to be opened again.
  std::string Told(const absl::Status& cause) const;
};

// Returns the option, to be put into a group.
Option* AddReconnectFlag(Command& command, ReconnectFlag* flag);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_RECONNECT_FLAG_H_
