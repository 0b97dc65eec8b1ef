// SPDX-License-Identifier: Apache-2.0
//
// Sessions as people read them; for programs there is message_json.h.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_SESSION_TEXT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_SESSION_TEXT_H_

#include <string>
#include <vector>

#include "backprop/v1/training_service.pb.h"

namespace backprop::cli {

// A table with a line a session; with a column of names if any has one.
std::string SessionListText(const std::vector<v1::Session>& sessions);

// All about one: a line for each of its settings and for how far it is, and a
// table of its layers.
std::string SessionText(const v1::Session& session);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_SESSION_TEXT_H_
