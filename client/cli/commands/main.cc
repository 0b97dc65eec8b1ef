// SPDX-License-Identifier: Apache-2.0
//
// backprop: trains networks on a backpropd from the command line.
// Exit codes: 0 done, 1 the server or the data failed, 2 wrong usage.
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands/error_report.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/connection_flags.h"
#include "client/cli/flags/plain_text_warning.h"
#include "client/cli/flags/refusal.h"
#include "client/cli/text/near_name.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// A word that no command knows, with what may have been meant.
absl::Status Unknown(const Command& app, const std::string& word) {
  // Not what stands behind it, as in --optimizer=adam.
  const size_t end = word.find('=');
  const std::string name = end == 0 ? word : word.substr(0, end);
  std::vector<std::string> known = app.choices();
  for (const OptionUse& option : app.typed_options()) {
    known.push_back(option.name);
  }
  for (const std::string& option : app.option_names()) known.push_back(option);
  const std::string near = NearName(name, known);
  return UsageError(
      name, absl::StrCat(app.typed_path(), " does not know this",
                         near.empty() ? "" : "; did you mean " + near + "?"));
}

// Why the command line cannot be understood; parsed: what reading it came to,
// OK where nothing is wrong but that no command was typed.
absl::Status NotUnderstood(const Command& app, const absl::Status& parsed) {
  const std::string typed = app.typed_path();
  const std::vector<std::string> unknown = app.unknown();
  // May be what a secret with a space in it was torn into.
  if (!unknown.empty() && app.count(kMetadataFlag) > 0) {
    return UsageError(kMetadataFlag,
                      "takes one value, and " + typed +
                          " does not know what is left over, which is not "
                          "shown, as it may be a secret; quote KEY=VALUE if "
                          "there are spaces in it");
  }
  if (!unknown.empty()) {
    return Unknown(app, unknown.front());
  }
  if (parsed.message() == "--session is required") {
    return UsageError("",
                      "--session is required: the session's id, which backprop "
                      "session list shows");
  }
  if (!parsed.ok()) return UsageError("", absl::StrCat(parsed.message()));
  return UsageError("",
                    "say what to do: " + absl::StrJoin(app.choices(), ", "));
}

// host:port, or what gRPC takes besides, such as unix:/path.
absl::Status CheckAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon != std::string::npos && colon + 1 < address.size()) {
    return absl::OkStatus();
  }
  return UsageError("--address", "'" + address +
                                     "' has no port; write host:port, e.g. "
                                     "127.0.0.1:50051");
}

void AddGlobalFlags(Command& app, GlobalFlags* flags,
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
  Command app("Trains neural networks on a backpropd.", "backprop");
  GlobalFlags flags;
  Action action;
  ConnectionFlags connection;
  AddGlobalFlags(app, &flags, &connection);
  AddTrainCommand(app, flags, action);
  AddPredictCommand(app, flags, action);
  AddEvaluateCommand(app, flags, action);
  AddSessionCommand(app, flags, action);
  AddCheckpointCommand(app, flags, action);
  AddRewindCommand(app, flags, action);
  AddWatchCommand(app, flags, action);
  AddWeightsCommand(app, flags, action);
  AddExportCommand(app, flags, action);
  AddImportCommand(app, flags, action);
  AddServerCommand(app, flags, action);
  AddBenchCommand(app, flags, action);
  const absl::StatusOr<bool> go_on = app.Parse(argc, argv);
  if (go_on.ok() && !*go_on) return 0;
  absl::Status status;
  if (!go_on.ok() || action == nullptr) {
    status = NotUnderstood(app, go_on.status());
  }
  if (status.ok()) status = CheckAddress(flags.address);
  if (status.ok()) {
    status =
        SetConnection(connection, std::getenv("BACKPROP_METADATA"), &flags);
  }
  if (!status.ok()) {
    return Report(status, flags, "See " + app.typed_path() + " --help.\n");
  }
  std::cerr << PlainTextWarning(flags);
  status = InFlags(action(), app.typed_options());
  return Report(status, flags,
                IsUsageError(status) ? "See " + app.typed_path() + " --help.\n"
                                     : ConnectionAdvice(status, flags));
}

}  // namespace
}  // namespace backprop::cli

int main(int argc, char** argv) {
  // Failures are told once, by us: gRPC writes lines of its own about some.
  setenv("GRPC_VERBOSITY", "NONE", /*replace=*/0);
  return backprop::cli::Main(argc, argv);
}
