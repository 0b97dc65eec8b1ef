// SPDX-License-Identifier: Apache-2.0
//
// --output: the file that a command writes; "-" is standard output.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_OUTPUT_FLAG_H_
#define BACKPROP_CLIENT_CLI_FLAGS_OUTPUT_FLAG_H_

#include <string>

#include "absl/status/status.h"
#include "client/cli/flags/command.h"

namespace backprop::cli {

// Writes the file whole or not at all. Errors name --output.
absl::Status WriteOutput(const std::string& output, const std::string& bytes);

// Tells what was written, in one line: `object` with --json, else `words`. On
// standard output, or on standard error where the bytes went to the former:
// the two must not mix.
void TellOutput(const GlobalFlags& global, const std::string& output,
                const Json& object, const std::string& words);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_OUTPUT_FLAG_H_
