// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_FLAGS_PLAIN_TEXT_WARNING_H_
#define BACKPROP_CLIENT_CLI_FLAGS_PLAIN_TEXT_WARNING_H_

#include <string>

#include "client/cli/flags/command.h"

namespace backprop::cli {

// What is wrong with sending a token as plain text to another machine, as a
// whole line; empty where none is sent so. Shows no value.
std::string PlainTextWarning(const GlobalFlags& global);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_PLAIN_TEXT_WARNING_H_
