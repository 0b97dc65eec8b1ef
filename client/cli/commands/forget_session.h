// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_FORGET_SESSION_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_FORGET_SESSION_H_

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// Deletes a session. A stream that was cancelled may hold it until the step
// that the server computes is done, so this tries for as long as `patience`.
absl::Status ForgetSession(TrainingClient& client,
                           const std::string& session_id,
                           std::chrono::milliseconds patience);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_FORGET_SESSION_H_
