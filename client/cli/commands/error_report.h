// SPDX-License-Identifier: Apache-2.0
//
// How a command that did not succeed says so.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_ERROR_REPORT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_ERROR_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {

// Says what is wrong and then the advice, which ends in a new line or is empty,
// unless the status is OK; returns the program's exit code.
int Report(const absl::Status& status, const GlobalFlags& flags,
           const std::string& advice);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_ERROR_REPORT_H_
