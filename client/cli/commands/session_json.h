// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_

#include <string>

#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {

// The session as the protocol's own JSON, with the proto's field names, in one
// line without its end. For programs.
std::string SessionJson(const v1::Session& session);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_
