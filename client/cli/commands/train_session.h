// SPDX-License-Identifier: Apache-2.0
//
// The session that `backprop train` trains: made for it, or found.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_SESSION_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_SESSION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/flags/train_flags.h"
#include "client/cpp/training_client.h"

namespace backprop::cli {

// Makes a session of the spec that flags and data describe.
absl::StatusOr<v1::Session> CreateSession(TrainingClient& client,
                                          const TrainFlags& flags,
                                          const TrainData& data);

// Finds the session that --session names, and checks that the data fits it.
absl::StatusOr<v1::Session> FindSession(TrainingClient& client,
                                        const TrainFlags& flags,
                                        const TrainData& data);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_SESSION_H_
