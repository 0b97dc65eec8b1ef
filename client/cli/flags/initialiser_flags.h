// SPDX-License-Identifier: Apache-2.0
//
// The flags that say which weights a network begins with.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_INITIALISER_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_INITIALISER_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"

namespace backprop::cli {

struct InitialiserFlags {
  std::string kind;  // empty: by the layers
  std::optional<float> value;
};

// group: the part of --help that they stand in.
void AddInitialiserFlags(Command& app, const std::string& group,
                         InitialiserFlags* flags);

// As --initialiser takes it: "he-uniform".
std::string InitialiserName(v1::InitialiserKind kind);

// Sets the initialiser of a spec whose layers are set. Errors are usage errors
// that name the flag.
absl::Status SetInitialiser(const InitialiserFlags& flags, uint64_t seed,
                            v1::SessionSpec* spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_INITIALISER_FLAGS_H_
