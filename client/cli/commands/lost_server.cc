// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/lost_server.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "backprop/v1/error_reasons.h"
#include "client/cli/text/number_text.h"
#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

constexpr char kLostPayload[] = "backprop.cli/lost_server";

std::string After(uint64_t steps) {
  return absl::StrCat("after ", Grouped(steps),
                      steps == 1 ? " step" : " steps");
}

// What is left where the session is not.
std::string WhatIsLeft(const LostTraining& training) {
  return training.output.empty()
             ? ". With --output FILE, train writes the weights that it has "
               "here to a file, whatever becomes of the server"
             : absl::StrCat(". The weights of the last step are in ",
                            training.output);
}

// cause: its reason and fault are the answer's too.
absl::Status Lost(absl::StatusCode code, const std::string& text,
                  const absl::Status& cause) {
  absl::Status status(code, text);
  cause.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    status.SetPayload(type, payload);
  });
  status.SetPayload(kLostPayload, absl::Cord());
  return status;
}

}  // namespace

bool LeavesSessionInDoubt(const absl::Status& status) {
  // What cuts a stream resets it, and gRPC calls that INTERNAL.
  const ConnectionFault fault = ConnectionFaultOf(status);
  return absl::IsUnavailable(status) || fault == ConnectionFault::kCut ||
         fault == ConnectionFault::kNoBackend;
}

absl::Status LostServer(TrainingClient& client, const LostTraining& training,
                        const absl::Status& status) {
  if (ReasonOf(status) == kShuttingDown.name) {
    return Lost(absl::StatusCode::kUnavailable,
                absl::StrCat("the server at ", training.address,
                             " has shut down ", After(training.steps),
                             ", and its sessions are gone with it unless it "
                             "keeps them (--data-dir): then take it up with "
                             "--session ",
                             training.session_id, WhatIsLeft(training)),
                status);
  }
  const std::string broke = absl::StrCat(
      "the connection to the server at ", training.address, " broke ",
      After(training.steps), " (", status.message(), ")");
  absl::StatusOr<v1::Session> session = client.GetSession(training.session_id);
  if (session.ok()) {
    return Lost(
        absl::StatusCode::kAborted,
        absl::StrCat(broke, ". Session ", training.session_id,
                     " is still there, at step ", Grouped(session->step()),
                     ": go on with --session ", training.session_id),
        status);
  }
  if (ReasonOf(session.status()) == kSessionNotFound.name) {
    return WithReason(
        Lost(absl::StatusCode::kNotFound,
             absl::StrCat(broke,
                          ". A server is there again, but has no session ",
                          training.session_id, ": it was started anew",
                          WhatIsLeft(training)),
             status),
        kSessionNotFound.name);
  }
  return Lost(
      absl::StatusCode::kUnavailable,
      absl::StrCat(broke,
                   ", and cannot be made again. If the server has "
                   "ended, its sessions are gone with it unless it "
                   "keeps them (--data-dir): then take it up with --session ",
                   training.session_id, WhatIsLeft(training)),
      status);
}

bool IsLostServer(const absl::Status& status) {
  return status.GetPayload(kLostPayload).has_value();
}

}  // namespace backprop::cli
