// SPDX-License-Identifier: Apache-2.0
//
// The flags that describe a new session, and the spec they make.
#ifndef BACKPROP_CLIENT_CLI_SPEC_FLAGS_H_
#define BACKPROP_CLIENT_CLI_SPEC_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"

namespace backprop::cli {

struct SpecFlags {
  std::vector<std::string> layers;  // "128:relu", …; empty: by the data
  std::string loss;                 // empty: by the last layer
  std::string initialiser;          // empty: by the layers
  float learning_rate = 0.01F;
  uint32_t batch_size = 1;
  uint64_t seed = 0;
  uint32_t digest_every = 0;  // 0: the server's default
};

void AddSpecFlags(CLI::App& app, SpecFlags* flags);

// What the data says about the network.
struct DataShape {
  uint32_t input_size = 0;
  uint32_t output_size =
      0;  // used only where --layers is not given; 0: unknown
  bool regression = false;
  v1::InputFormat format;
};

// Errors are usage errors that name the flag.
absl::StatusOr<v1::SessionSpec> MakeSpec(const SpecFlags& flags,
                                         const DataShape& data);

// "784-128:relu-10:softmax", for people.
std::string NetworkText(const v1::SessionSpec& spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_SPEC_FLAGS_H_
