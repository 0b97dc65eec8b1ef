// SPDX-License-Identifier: Apache-2.0
//
// The flags that say how weights move.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_OPTIMISER_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_OPTIMISER_FLAGS_H_

#include <google/protobuf/field_mask.pb.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

// What is not given stays as the optimiser has it.
struct OptimiserFlags {
  std::string optimiser;  // empty: sgd
  std::optional<float> learning_rate;
  std::optional<float> momentum, rho, beta1, beta2, epsilon;
  std::optional<float> l2, l1, decoupled_decay, clip_norm, clip_value;
  bool nesterov = false;
};

// Whether the flags describe a session to be made, or changes to one that is
// there: then its kind of optimiser cannot be chosen.
enum class FlagUse { kMake, kChange };

void AddOptimiserFlags(Command& app, FlagUse use, OptimiserFlags* flags);

// Of a new session. Errors are usage errors that name the flag.
absl::StatusOr<v1::Optimiser> MakeOptimiser(const OptimiserFlags& flags);

// Changes an optimiser that is there, and adds the paths of what it changes
// (UpdateSessionRequest.update_mask).
absl::Status ChangeOptimiser(const OptimiserFlags& flags,
                             v1::Optimiser* optimiser,
                             google::protobuf::FieldMask* mask);

// As --optimiser takes it: "adam".
std::string OptimiserName(const v1::Optimiser& optimiser);

// ", beta1 0.9, beta2 0.999, epsilon 1e-08": what its kind alone has, by the
// flags' names. Empty where there is nothing to tell.
std::string OwnNumbers(const v1::Optimiser& optimiser);

// "adam, learning rate 0.001, cosine schedule", for people.
std::string OptimiserText(const v1::Optimiser& optimiser);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_OPTIMISER_FLAGS_H_
