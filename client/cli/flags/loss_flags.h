// SPDX-License-Identifier: Apache-2.0
//
// The flags that say what the error is.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_LOSS_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_LOSS_FLAGS_H_

#include <google/protobuf/field_mask.pb.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/optimiser_flags.h"

namespace backprop::cli {

struct LossFlags {
  std::string loss;  // empty: by the last layer
  std::optional<float> label_smoothing, huber_delta;
  std::string class_weights;  // "1,2.5,1", or "none"; empty: not given
};

// As --loss takes it: "cross-entropy".
std::string LossName(v1::Loss loss);

// kChange: the loss itself cannot be chosen.
void AddLossFlags(Command& app, FlagUse use, LossFlags* flags);

// Sets the loss of a spec whose layers are set. Errors are usage errors that
// name the flag.
absl::Status ChooseLoss(const LossFlags& flags, v1::SessionSpec* spec);

// Sets what was given of the loss's settings and adds their paths
// (UpdateSessionRequest.update_mask).
absl::Status ChangeLoss(const LossFlags& flags, v1::SessionSpec* spec,
                        google::protobuf::FieldMask* mask);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_LOSS_FLAGS_H_
