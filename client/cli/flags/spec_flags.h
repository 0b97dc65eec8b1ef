// SPDX-License-Identifier: Apache-2.0
//
// The flags that describe a new session, and the spec they make.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_SPEC_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_SPEC_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/initialiser_flags.h"
#include "client/cli/flags/keeping_flags.h"
#include "client/cli/flags/loss_flags.h"
#include "client/cli/flags/optimiser_flags.h"
#include "client/cli/flags/schedule_flags.h"

namespace backprop::cli {

struct SpecFlags {
  std::string name;                     // what people call it; empty: nothing
  std::vector<std::string> layers;      // ParseLayer; empty: by the data
  std::vector<std::string> delta_form;  // one, or one a layer
  InitialiserFlags initialiser;
  LossFlags loss;
  OptimiserFlags optimiser;
  ScheduleFlags schedule;
  // "all", or a number of samples; empty: inputs stay as they are.
  std::string standardise;
  std::optional<float> min_deviation;
  uint32_t batch_size = 1;
  uint64_t seed = 0;
  uint32_t digest_every = 0;  // 0: the server's default
  KeepingFlags keeping;
};

// What the data says about the network.
struct DataShape {
  uint32_t input_size = 0;
  // Used only where --layers is not given; 0: unknown.
  uint32_t output_size = 0;
  bool regression = false;
  v1::InputFormat format;
  uint64_t samples = 0;        // 0: unknown
  uint64_t train_samples = 0;  // that will be trained on; 0: unknown
};

// What --help says of flags whose use is the command's.
struct SpecHelp {
  // Whether there is training data, which --standardise without a number would
  // learn from.
  bool has_data = true;
  std::string seed = "Seed of initial weights, dropout and shuffling";
};

// flags: its name is what --help tells as the default.
void AddSpecFlags(Command& app, SpecFlags* flags, const SpecHelp& help = {});

// The first flag given that describes a session to be made, but for --seed,
// which training uses too; empty if there is none.
std::string FirstSpecFlag(const Command& app);

// Errors are usage errors that name the flag.
absl::StatusOr<v1::SessionSpec> MakeSpec(const SpecFlags& flags,
                                         const DataShape& data);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_SPEC_FLAGS_H_
