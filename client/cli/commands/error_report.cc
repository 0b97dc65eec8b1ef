// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/error_report.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

// The server speaks of its calls; here people type commands.
std::string InCommands(const absl::Status& status) {
  return absl::StrReplaceAll(
      status.message(),
      {{"ListSessions", "backprop session list"},
       {"send them by Train", "send them by backprop train"}});
}

}  // namespace

int Report(const absl::Status& status, const GlobalFlags& flags,
           const std::string& advice) {
  if (status.ok()) return 0;
  const std::string message = InCommands(status);
  if (flags.json) {
    PrintJson({{"event", "error"},
               {"code", absl::StatusCodeToString(status.code())},
               {"reason", ReasonOf(status)},
               {"message", message}});
  }
  std::cerr << "backprop: " << message << "\n" << advice;
  return IsUsageError(status) ? 2 : 1;
}

}  // namespace backprop::cli
