// SPDX-License-Identifier: Apache-2.0
//
// The flags that say which past steps of a session are kept.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_HISTORY_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_HISTORY_FLAGS_H_

#include <cstdint>
#include <optional>

#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

// 0: without that limit. What is not given stays as it is.
struct HistoryFlags {
  std::optional<uint64_t> steps;
  std::optional<double> age;  // seconds
  std::optional<uint64_t> bytes;

  bool given() const {
    return steps.has_value() || age.has_value() || bytes.has_value();
  }
};

void AddHistoryFlags(Command& app, HistoryFlags* flags);
// Without any limit left there is no history.
void SetHistory(const HistoryFlags& flags, v1::SessionSpec* spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_HISTORY_FLAGS_H_
