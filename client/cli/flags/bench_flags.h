// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_FLAGS_BENCH_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_BENCH_FLAGS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/spec_flags.h"

namespace backprop::cli {

// The flags of `backprop bench`.
struct BenchFlags {
  SpecFlags spec;
  uint32_t input_size = 0;  // 0: an image's 784 bytes
  bool bytes = false;
  float seconds = 30;  // all measurements together
};

void AddBenchFlags(Command& command, BenchFlags* flags);

// The network that is trained. Errors are usage errors that name the flag.
absl::StatusOr<v1::SessionSpec> MakeBenchSpec(const BenchFlags& flags);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_BENCH_FLAGS_H_
