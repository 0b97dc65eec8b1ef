// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_MESSAGE_JSON_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_MESSAGE_JSON_H_

#include <google/protobuf/message.h>

#include <string>

namespace backprop::cli {

// What a server said of a session or of itself, as the protocol's own JSON,
// with the proto's field names, in one line without its end. For programs.
std::string MessageJson(const google::protobuf::Message& message);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_MESSAGE_JSON_H_
