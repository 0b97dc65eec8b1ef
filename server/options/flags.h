// SPDX-License-Identifier: Apache-2.0
//
// The command line of backpropd, and its environment twins.
#ifndef BACKPROP_SERVER_OPTIONS_FLAGS_H_
#define BACKPROP_SERVER_OPTIONS_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/options/options.h"
#include "server/options/stray_variables.h"

namespace backprop {

enum class Command {
  kServe,
  kHealthcheck,   // ask the server at options.http_address whether it is ready
  kCheck,         // look whether all in options.data_dir is sound
  kExport,        // write a session of options.data_dir to a file
  kPrintAndExit,  // --help, --version: print text
};

// For kExport; server/offline/export_session.h says what each does.
struct ExportFlags {
  std::string session_id;
  std::string file;
  bool with_state = false;
  bool force = false;
};

struct Invocation {
  Command command = Command::kServe;
  ServerOptions options;
  std::string text;  // for kPrintAndExit, ends in a newline
  // For kServe: set in the environment, and of no effect. Worth a warning.
  std::vector<StrayVariable> strays;
  ExportFlags exported = {};
};

// A flag wins over its environment variable, and that over the default of
// ServerOptions. An empty environment variable counts as not set. Fails with
// kInvalidArgument; the message names the flag or variable and what it takes.
// Reads the environment: don't change it meanwhile.
absl::StatusOr<Invocation> ParseFlags(int argc, const char* const* argv);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPTIONS_FLAGS_H_
