// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_

#include <string>

#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {

// The session as the protocol's own JSON, with the proto's field names.
std::string SessionJson(const v1::Session& session, bool one_line);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SESSION_JSON_H_
