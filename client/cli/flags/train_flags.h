// SPDX-License-Identifier: Apache-2.0
//
// The flags of `backprop train`, and the data that they name.
#ifndef BACKPROP_CLIENT_CLI_FLAGS_TRAIN_FLAGS_H_
#define BACKPROP_CLIENT_CLI_FLAGS_TRAIN_FLAGS_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/data/dataset.h"
#include "client/cli/flags/command_line.h"
#include "client/cli/flags/data_flags.h"
#include "client/cli/flags/reconnect_flag.h"
#include "client/cli/flags/spec_flags.h"

namespace backprop::cli {

struct TrainFlags {
  DataSource training;
  DataSource test{"--test-", "", "", ""};
  CsvFlags csv;
  SpecFlags spec;
  std::string session_id;  // empty: make a session
  size_t epochs = 0;       // 0: not given
  size_t samples_per_message = 32;
  std::optional<double> until_error;
  std::optional<double> require_accuracy;
  std::string output;  // file for the replica's weights; empty: none
  bool no_replica = false;
  bool no_shuffle = false;
  bool keep_session = false;
  ReconnectFlag reconnect;

  bool test_given() const { return test.given() || !test.labels.empty(); }
  // How often to go through the data at most.
  size_t most_epochs() const;
};

void AddTrainFlags(Command& command, TrainFlags* flags);

// Usage errors that show before any file is read.
// command: that AddTrainFlags got, after parsing.
absl::Status CheckTrainFlags(const Command& command, const TrainFlags& flags);

struct TrainData {
  Dataset training;
  std::optional<Dataset> test;
};

// Reads all files. Class numbers mean the same in both data sets.
absl::StatusOr<TrainData> LoadTrainData(const TrainFlags& flags);

// Whether all data can be sent to a session of this spec.
absl::Status CheckTrainData(const TrainFlags& flags, const TrainData& data,
                            const v1::SessionSpec& spec);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_FLAGS_TRAIN_FLAGS_H_
