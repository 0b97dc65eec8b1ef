// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/train_advice.h"

#include "absl/strings/str_cat.h"
#include "backprop/v1/error_reasons.h"
#include "client/cli/flags/command.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {

std::string ToChangeRate(const std::string& change,
                         const std::string& session_id) {
  if (session_id.empty()) {
    return absl::StrCat(change, " --learning-rate");
  }
  return absl::StrCat(change,
                      " the learning rate with backprop session update ",
                      session_id, " --learning-rate RATE");
}

absl::Status Advised(const absl::Status& status,
                     const std::string& session_id) {
  if (ReasonOf(status) != kNonFiniteStep.name) return status;
  return Retold(status,
                absl::StrCat(status.message(), ". Training diverged: ",
                             ToChangeRate("lower", session_id),
                             session_id.empty()
                                 ? ", or bring the inputs to the same scale "
                                   "(--standardise)"
                                 : ""));
}

}  // namespace backprop::cli
