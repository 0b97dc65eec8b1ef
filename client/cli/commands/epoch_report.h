// SPDX-License-Identifier: Apache-2.0
//
// What `backprop train` says of its epochs while it trains. For people: on a
// terminal one line that is written over, with a bar in it while an epoch takes
// long; elsewhere some fifty lines, however many epochs there are. The last
// epoch is told in any case. For programs: an object for every epoch.
#ifndef BACKPROP_CLIENT_CLI_COMMANDS_EPOCH_REPORT_H_
#define BACKPROP_CLIENT_CLI_COMMANDS_EPOCH_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backprop/v1/training_service.pb.h"
#include "client/cli/flags/command.h"
#include "client/cli/flags/train_flags.h"
#include "client/cli/run/training_run.h"
#include "client/cli/text/line_thinning.h"
#include "client/cli/text/live_line.h"
#include "client/cli/text/progress.h"

namespace backprop::cli {

using TestResult = std::optional<v1::EvaluateResponse>;

// Samples a second, rounded; 0 if no time has passed.
uint64_t SamplesPerSecond(uint64_t samples, double seconds);

// Accuracy says nothing where a number is to be met.
bool IsClassifier(const v1::Session& session);

// Adds what the test data says, if there is any.
void AddTest(const v1::Session& session, const TestResult& test, Json* object);

class EpochReport {
 public:
  // flags: how many epochs there can be. The references must outlive it.
  EpochReport(bool json, const TrainFlags& flags, const v1::Session& session);

  // "epoch 12/300"; "epoch 12" where the error decides which is the last.
  std::string Title(size_t epoch) const;
  // Of the epoch that is going on.
  Progress& progress() { return progress_; }

  // An epoch is over.
  void Tell(size_t epoch, const EpochResult& result, const TestResult& test);
  // A line for people on standard error, whatever is drawn.
  void Interject(const std::string& text);
  // There are no more. Nothing else may be printed between the first Tell and
  // this.
  void End();

 private:
  void Print(const std::vector<std::string>& parts);

  // Constant after construction.
  const bool json_;
  const size_t most_epochs_;
  const bool error_decides_;
  const v1::Session& session_;
  const bool live_;  // epochs are told on the live line
  const LineThinning thinning_;

  LiveLine line_;
  Progress progress_;
  // The last epoch's, as long as it was not told for good.
  std::vector<std::string> untold_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_COMMANDS_EPOCH_REPORT_H_
