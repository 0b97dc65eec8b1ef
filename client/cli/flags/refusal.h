// SPDX-License-Identifier: Apache-2.0
//
// A server's refusal as people have to hear it who typed a command.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_REFUSAL_H_
#define BACKPROP_CLIENT_CLI_FLAGS_REFUSAL_H_

#include <vector>

#include "absl/status/status.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

// The status with its message in flags instead of fields, wherever the command
// has a flag for the field:
//   spec.optimiser.sgd.momentum: is 1; must be at least 0 and less than 1
//   --momentum: is 1; must be at least 0 and less than 1
// One that was not given is told to be so, as nobody looks for what he has not
// typed. All else that the server said stays: its code, its reason, the rest
// of its message, its violations of other fields, and those that are in the
// message alone. Where it is the request that is wrong, and a flag is named,
// the result is a usage error.
//
// options: those of the command that was typed.
absl::Status InFlags(const absl::Status& status,
                     const std::vector<OptionUse>& options);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_REFUSAL_H_
