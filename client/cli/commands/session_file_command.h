// SPDX-License-Identifier: Apache-2.0
//
// backprop session download | restore: all that a session is, in a file, and a
// session made of it again. The file is a v1.CreateSessionRequest with `spec`
// and `initial` set, as protobuf writes it: CreateSession takes it as it is.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SESSION_FILE_COMMAND_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SESSION_FILE_COMMAND_H_

#include "client/cli/flags/command.h"

namespace backprop::cli {

// parent: `backprop session`.
void AddSessionDownload(Command& parent, const GlobalFlags& global,
                        Action& action);
void AddSessionRestore(Command& parent, const GlobalFlags& global,
                       Action& action);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SESSION_FILE_COMMAND_H_
