// SPDX-License-Identifier: Apache-2.0
//
// What all of backprop's commands share: global flags, how a command is added
// to the command line, and the two kinds of failure that a user can meet.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_COMMAND_H_
#define BACKPROP_CLIENT_CLI_FLAGS_COMMAND_H_

#include <cstdint>
#include <functional>
#include <iostream>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/status.h"
#include "client/cli/flags/command_line.h"
#include "client/cpp/options.h"

namespace backprop::cli {

// Keeps the order in which fields were added.
using Json = nlohmann::ordered_json;

struct GlobalFlags {
  std::string address = "127.0.0.1:50051";  // of backpropd, host:port
  bool json = false;  // one JSON object a line on standard output
  // How the server is reached; every TrainingClient is made with it.
  ClientOptions client;
};

// The chosen command, set while the command line is read and run afterwards.
using Action = std::function<absl::Status()>;

// Each adds one command; `flags` and `action` must outlive the parsing.
void AddTrainCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddPredictCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddEvaluateCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddSessionCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddCheckpointCommand(Command& app, const GlobalFlags& flags,
                          Action& action);
void AddRewindCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddWeightsCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddExportCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddImportCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddWatchCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddServerCommand(Command& app, const GlobalFlags& flags, Action& action);
void AddBenchCommand(Command& app, const GlobalFlags& flags, Action& action);

// The positional argument that names a session; --session does as well.
void AddSessionId(Command& command, std::string* session_id);

// The command line asks for something that cannot be: exit code 2. `text`
// says what is wrong and what to do next; `flag`, which it begins with, may be
// empty.
absl::Status UsageError(const std::string& flag, const std::string& text);
bool IsUsageError(const absl::Status& status);

// The same failure in other words: its code stays, and what it carries besides,
// such as the server's reason.
absl::Status Retold(const absl::Status& status, const std::string& text);
// The same failure, as one of the command line. status must not be OK.
absl::Status AsUsageError(absl::Status status);

// Checks for options that hold numbers. CLI11's own conversion takes -1 for a
// very large whole number. Real numbers must be finite as float32.
Check WholeNumber(uint64_t smallest, uint64_t largest);
Check RealNumber();
// Where the protocol takes 0 for a number that was not given.
Check NonZero();
Check NumberBetween(float smallest, float largest);

// One line, flushed. On standard output, unless that has another use.
void PrintJson(const Json& object, std::ostream& out = std::cout);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_COMMAND_H_
