// SPDX-License-Identifier: Apache-2.0
//
// What `backprop train` prints: lines for people, or objects for programs.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_REPORT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cli/commands/break_report.h"
#include "client/cli/commands/epoch_report.h"
#include "client/cli/data/dataset.h"
#include "client/cli/flags/train_flags.h"
#include "client/cli/run/training_run.h"
#include "client/cpp/resuming_train_stream.h"

namespace backprop::cli {

// Whether the replica holds the server's weights.
struct ReplicaCheck {
  absl::Status verdict;        // Replica::Verify's
  uint64_t digest = 0;         // the replica's
  uint64_t server_digest = 0;  // at the same step
};

class TrainReport {
 public:
  // flags: how training goes. The references must outlive the report.
  TrainReport(bool json, const TrainFlags& flags, const v1::Session& session)
      : json_(json),
        flags_(flags),
        session_(session),
        epochs_(json, flags, session),
        breaks_(flags.reconnect,
                [this](const std::string& text) { epochs_.Interject(text); }) {}

  void Begin(const Dataset& dataset, bool created) const;
  // What is said between Begin and the rest.
  EpochReport& epochs() { return epochs_; }
  // Of the stream.
  BreakReport& breaks() { return breaks_; }
  // Training goes on.
  void Resumed(const Resumption& resumption);
  // replica: none if the run kept none.
  void End(const TrainingTotals& totals, const TestResult& test,
           const std::optional<ReplicaCheck>& replica, size_t left_over) const;
  // The replica's weights were written to --output.
  void Saved(const Replica& replica) const;
  // Something that the user should know besides.
  void Note(const std::string& text) const;
  // The session lives on; says how to go on with it.
  void Kept() const;

 private:
  // Constant after construction.
  const bool json_;
  const TrainFlags& flags_;
  const v1::Session& session_;

  EpochReport epochs_;
  BreakReport breaks_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_REPORT_H_
