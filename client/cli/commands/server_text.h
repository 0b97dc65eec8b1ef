// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SERVER_TEXT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SERVER_TEXT_H_

#include <string>
#include <utility>
#include <vector>

#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {

// What a server is and with what it computes, for SettingsText; what it says
// itself is as it came (ReadableText).
std::vector<std::pair<std::string, std::string>> ServerSettings(
    const std::string& address, const v1::GetServerInfoResponse& server);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SERVER_TEXT_H_
