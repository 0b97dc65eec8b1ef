// SPDX-License-Identifier: Apache-2.0
//
// backprop session update | fork: what is made of a session that is there.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SESSION_CHANGE_COMMAND_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SESSION_CHANGE_COMMAND_H_

#include "client/cli/flags/command.h"

namespace backprop::cli {

void AddSessionUpdate(Command& parent, const GlobalFlags& global,
                      Action& action);
void AddSessionFork(Command& parent, const GlobalFlags& global, Action& action);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SESSION_CHANGE_COMMAND_H_
