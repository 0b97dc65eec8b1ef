// SPDX-License-Identifier: Apache-2.0
//
// backprop: trains networks on a backpropd from the command line.
// Exit codes: 0 done, 1 the server or the data failed, 2 wrong usage.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/connection_flags.h"
#include "client/cli/flags/help_format.h"
#include "client/cli/flags/plain_text_warning.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// The server speaks of its calls; here people type commands.
std::string InCommands(const absl::Status& status) {
  return absl::StrReplaceAll(status.message(),
                             {{"ListSessions", "backprop session list"}});
}

int Report(const absl::Status& status, const GlobalFlags& flags,
           const std::string& advice) {
  if (status.ok()) return 0;
  if (flags.json)
    PrintJson({{"event", "error"},
               {"code", absl::StatusCodeToString(status.code())},
               {"reason", ReasonOf(status)},
               {"message", std::string(status.message())}});
  std::cerr << "backprop: " << InCommands(status) << "\n" << advice;
  return IsUsageError(status) ? 2 : 1;
}

// The innermost command that was typed.
const CLI::App& Innermost(const CLI::App& app) {
  const std::vector<CLI::App*> typed = app.get_subcommands();
  return typed.empty() ? app : Innermost(*typed.front());
}

// e.g. "backprop session create"
std::string PathOf(const CLI::App& command) {
  if (command.get_parent() == nullptr) return command.get_name();
  return PathOf(*command.get_parent()) + " " + command.get_name();
}

// Why the command line cannot be understood; error: CLI11's reason, or null
// where nothing is wrong but that no command was typed.
absl::Status NotUnderstood(const CLI::App& app, const CLI::ParseError* error) {
  const CLI::App& command = Innermost(app);
  const std::vector<std::string> unknown = app.remaining(true);
  // May be what a secret with a space in it was torn into.
  if (!unknown.empty() && app.get_option(kMetadataFlag)->count() > 0)
    return UsageError(kMetadataFlag,
                      "takes one value, and " + PathOf(command) +
                          " does not know what is left over, which is not "
                          "shown, as it may be a secret; quote KEY=VALUE if "
                          "there are spaces in it");
  if (!unknown.empty())
    return UsageError(unknown.front(), PathOf(command) + " does not know this");
  if (error != nullptr) return UsageError("", error->what());
  std::vector<std::string> choices;
  for (const CLI::App* choice :
       command.get_subcommands([](const CLI::App*) { return true; }))
    choices.push_back(choice->get_name());
  return UsageError("", "say what to do: " + absl::StrJoin(choices, ", "));
}

// host:port, or what gRPC takes besides, such as unix:/path.
absl::Status CheckAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon != std::string::npos && colon + 1 < address.size())
    return absl::OkStatus();
  return UsageError("--address", "'" + address +
                                     "' has no port; write host:port, e.g. "
                                     "127.0.0.1:50051");
}

void AddGlobalFlags(CLI::App& app, GlobalFlags* flags,
                    ConnectionFlags* connection) {
  app.set_version_flag("--version", "backprop " BACKPROP_VERSION,
                       "Print the version and exit");
  app.add_option("--address", flags->address, "Where backpropd serves")
      ->type_name("HOST:PORT")
      ->envname("BACKPROP_ADDRESS")
      ->capture_default_str();
  app.add_flag("--json", flags->json,
               "For programs: one JSON object a line on standard output");
  AddConnectionFlags(app, connection);
  // Lets these options stand behind the command too.
  app.fallthrough();
  app.footer(
      "These options may stand behind a command too.\n"
      "Exit codes: 0 done, 1 the server or the data failed, 2 wrong usage.");
}

int Main(int argc, char** argv) {
  CLI::App app("Trains neural networks on a backpropd.", "backprop");
  // Subcommands take it over.
  app.formatter(std::make_shared<HelpFormat>());
  GlobalFlags flags;
  Action action;
  ConnectionFlags connection;
  AddGlobalFlags(app, &flags, &connection);
  AddTrainCommand(app, flags, action);
  AddPredictCommand(app, flags, action);
  AddEvaluateCommand(app, flags, action);
  AddSessionCommand(app, flags, action);
  AddWatchCommand(app, flags, action);
  AddWeightsCommand(app, flags, action);
  absl::Status status;
  try {
    app.parse(argc, argv);
    if (action == nullptr) status = NotUnderstood(app, nullptr);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    status = NotUnderstood(app, &error);
  }
  if (status.ok()) status = CheckAddress(flags.address);
  if (status.ok())
    status =
        SetConnection(connection, std::getenv("BACKPROP_METADATA"), &flags);
  if (!status.ok())
    return Report(status, flags,
                  "See " + PathOf(Innermost(app)) + " --help.\n");
  std::cerr << PlainTextWarning(flags);
  status = action();
  return Report(status, flags,
                IsUsageError(status)
                    ? "See " + PathOf(Innermost(app)) + " --help.\n"
                    : ConnectionAdvice(status, flags));
}

}  // namespace
}  // namespace backprop::cli

int main(int argc, char** argv) {
  // Failures are told once, by us: gRPC writes lines of its own about some.
  setenv("GRPC_VERBOSITY", "NONE", /*replace=*/0);
  return backprop::cli::Main(argc, argv);
}
