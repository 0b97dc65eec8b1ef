// SPDX-License-Identifier: Apache-2.0
//
// The flags that say how a session is kept: for how long, and whether it
// survives the server's process.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_KEEPING_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_KEEPING_FLAGS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/history_flags.h"

namespace backprop::cli {

// What is not given is the server's choice.
struct KeepingFlags {
  // Seconds; "0" or empty: for ever.
  std::optional<std::string> expire_after;
  std::string durability;         // "memory", "durable"; empty: not given
  std::optional<double> max_lag;  // seconds
  HistoryFlags history;
};

// Of a session to be made.
void AddKeepingFlags(Command& app, KeepingFlags* flags);
// Errors are usage errors that name the flag.
absl::Status SetKeeping(const KeepingFlags& flags, v1::SessionSpec* spec);

// --expire-after alone, which a session that is there can change as well.
void AddExpireAfter(Command& app, const std::string& otherwise,
                    std::optional<std::string>* expire_after);
// expire_after: as AddExpireAfter's check has let it pass.
void SetExpireAfter(const std::string& expire_after, v1::SessionSpec* spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_KEEPING_FLAGS_H_
