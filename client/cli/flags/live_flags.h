// SPDX-License-Identifier: Apache-2.0
//
// The flags that change hyperparameters of a session that is there.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_LIVE_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_LIVE_FLAGS_H_

#include <google/protobuf/field_mask.pb.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/history_flags.h"
#include "client/cli/flags/loss_flags.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/flags/schedule_flags.h"

namespace backprop::cli {

// What is not given stays as it is.
struct LiveFlags {
  OptimiserFlags optimiser;
  ScheduleFlags schedule;
  LossFlags loss;
  std::vector<float> dropout;  // one for all layers but the last, or one each
  uint32_t digest_every = 0;   // 0: not given
  std::optional<std::string> name;
  std::optional<std::string> expire_after;  // KeepingFlags
  HistoryFlags history;
};

void AddLiveFlags(Command& app, LiveFlags* flags);

// Those of them that were given: "--learning-rate", …
std::vector<std::string> GivenLiveFlags(const Command& app);

// Changes a session's spec, and adds the paths of what it changes
// (UpdateSessionRequest.update_mask). Errors are usage errors that name the
// flag.
absl::Status ChangeSpec(const LiveFlags& flags, v1::SessionSpec* spec,
                        google::protobuf::FieldMask* mask);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_LIVE_FLAGS_H_
