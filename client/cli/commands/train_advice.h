// SPDX-License-Identifier: Apache-2.0
//
// What a person can do about training that does not go well.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_ADVICE_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_ADVICE_H_

#include <string>

#include "absl/status/status.h"

namespace backprop::cli {

// How the learning rate is changed. change: "lower", "raise".
//   lower --learning-rate
//   lower the learning rate with backprop session update ID --learning-rate
// the latter where training went on with a session, which train does not
// change. session_id: empty where it was made for this training.
std::string ToChangeRate(const std::string& change,
                         const std::string& session_id);

// The status, with advice if it is a step's whose numbers are not finite.
absl::Status Advised(const absl::Status& status, const std::string& session_id);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_ADVICE_H_
