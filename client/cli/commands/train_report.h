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
#include "client/cli/data/dataset.h"
#include "client/cli/run/training_run.h"

namespace backprop::cli {

using TestResult = std::optional<v1::EvaluateResponse>;

// Whether the replica holds the server's weights.
struct ReplicaCheck {
  absl::Status verdict;        // Replica::Verify's
  uint64_t digest = 0;         // the replica's
  uint64_t server_digest = 0;  // at the same step
};

class TrainReport {
 public:
  // epochs: how many there will be at most. session must outlive the report.
  TrainReport(bool json, size_t epochs, const v1::Session& session)
      : json_(json), epochs_(epochs), session_(session) {}

  void Begin(const Dataset& dataset, bool created) const;
  void Epoch(size_t epoch, const EpochResult& result,
             const TestResult& test) const;
  // replica: none if the run kept none.
  void End(const TrainingTotals& totals, const TestResult& test,
           const std::optional<ReplicaCheck>& replica, size_t left_over) const;
  // Something that the user should know besides.
  void Note(const std::string& text) const;
  // The session lives on; says how to go on with it.
  void Kept() const;

 private:
  const bool json_;
  const size_t epochs_;
  const v1::Session& session_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_TRAIN_REPORT_H_
