// SPDX-License-Identifier: Apache-2.0
//
// backprop server
#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands/message_json.h"
#include "client/cli/commands/server_text.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/name_table.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/settings_text.h"
#include "client/cpp/readable_text.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

// All that this client's protocol knows, by the flags that set them.
void AddLimits(const v1::ServerLimits& limits, Settings* settings) {
  const auto& type = *v1::ServerLimits::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const std::string flag = FlagCase(type.field(i)->name());
    const std::string limit =
        Grouped(limits.GetReflection()->GetUInt64(limits, type.field(i)));
    settings->emplace_back(
        flag, absl::EndsWith(flag, "-bytes") ? limit + " B" : limit);
  }
}

std::string ServerText(const std::string& address,
                       const v1::GetServerInfoResponse& server) {
  Settings settings = ServerSettings(address, server);
  AddLimits(server.limits(), &settings);
  return ReadableText(SettingsText(settings));
}

absl::Status DescribeServer(const GlobalFlags& global) {
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
        action = [&global] { return DescribeServer(global); };
      });
}

}  // namespace backprop::cli
