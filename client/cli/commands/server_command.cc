// SPDX-License-Identifier: Apache-2.0
//
// backprop server
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/flags/command.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/settings_text.h"
#include "client/cli/text/time_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

std::string Bytes(uint64_t count) { return absl::StrCat(Grouped(count), " B"); }

// Limits by the flags that set them.
std::string ServerText(const std::string& address,
                       const v1::GetServerInfoResponse& server) {
  const v1::ComputeInfo& compute = server.compute();
  const v1::ServerLimits& limits = server.limits();
  return SettingsText(
      {{"address", address},
       {"version", server.version()},
       {"gRPC", server.grpc_version()},
       {"started",
        TimeText(server.start_time().seconds(), "%Y-%m-%d %H:%M:%S UTC")},
       {"compute threads", Grouped(compute.threads())},
       {"vector instructions", compute.instruction_set()},
       {"matrix products", compute.blas()},
       {"kernels for", compute.blas_kernels()},
       {"max-message-bytes", Bytes(limits.max_message_bytes())},
       {"max-sessions", Grouped(limits.max_sessions())},
       {"max-session-weights", Grouped(limits.max_session_weights())},
       {"max-total-weights", Grouped(limits.max_total_weights())},
       {"max-queued-bytes", Bytes(limits.max_queued_bytes())},
       {"max-watched-bytes", Bytes(limits.max_watched_bytes())},
       {"max-pending-calls", Grouped(limits.max_pending_calls())}});
}

absl::Status Describe(const GlobalFlags& global) {
  const auto server =
      TrainingClient(global.address, global.client).GetServerInfo();
  if (!server.ok()) return server.status();
  std::cout << (global.json ? MessageJson(*server) + "\n"
                            : ServerText(global.address, *server));
  return absl::OkStatus();
}

}  // namespace

void AddServerCommand(Command& app, const GlobalFlags& global, Action& action) {
  app.add_subcommand("server",
                     "What the server is: its version, since when it serves, "
                     "how it computes, its limits")
      ->callback([&global, &action] {
        action = [&global] { return Describe(global); };
      });
}

}  // namespace backprop::cli
