// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/train_advice.h"

#include "absl/strings/str_cat.h"
#include "backprop/v1/error_reasons.h"
#include "client/cli/flags/command.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {

std::string ToChangeRate(const std::string& change, const TrainFlags& flags) {
  if (flags.session_id.empty()) {
    return absl::StrCat(change, " --learning-rate");
  }
  return absl::StrCat(change,
                      " the learning rate with backprop session update ",
                      flags.session_id, " --learning-rate RATE");
}

absl::Status Advised(const absl::Status& status, const TrainFlags& flags) {
  if (ReasonOf(status) != kNonFiniteStep.name) return status;
  return Retold(status,
                absl::StrCat(status.message(), ". Training diverged: ",
                             ToChangeRate("lower", flags),
                             flags.session_id.empty()
                                 ? ", or bring the inputs to the same scale "
                                   "(--standardise)"
                                 : ""));
}

}  // namespace backprop::cli
