// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/lost_answers.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace backprop {
namespace {

absl::Status EndOf(TrainStream& stream) {
  absl::Status status = stream.Finish();
  if (!status.ok()) return status;
  return absl::UnavailableError("the server ended the stream");
}

// Whether the user has had all that the response says.
bool IsKnown(const v1::TrainResponse& response, const LostAnswer& lost) {
  return response.held() && !response.message_done() &&
         response.next_offset() <= lost.answered;
}

// Adds what follows on the answers before it.
void Append(TrainAnswer answer, RegainedAnswers* regained) {
  v1::TrainResponse& response = answer.response;
  if (response.has_rejection() && response.step() == response.base_step()) {
    // It was refused where the session is now, and is told where it stands in
    // the order of the messages.
    response.set_base_step(regained->step);
    response.set_step(regained->step);
  } else {
    regained->complete &= response.skipped_samples() == 0 &&
                          response.base_step() == regained->step;
    regained->step = response.step();
  }
  regained->answers.push_back(std::move(answer));
}

// Up to the message's end.
absl::Status ReadAnswers(TrainStream& stream, const LostAnswer& lost,
                         RegainedAnswers* regained) {
  for (bool done = false; !done;) {
    TrainAnswer answer;
    if (!stream.Next(&answer)) return EndOf(stream);
    if (answer.request == nullptr) continue;
    if (IsKnown(answer.response, lost)) continue;
    done = answer.response.message_done();
    Append(std::move(answer), regained);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RegainedAnswers> AskAgain(TrainStream& stream,
                                         const std::vector<LostAnswer>& lost,
                                         uint64_t step) {
  // The server reads on only where its answers are read.
  std::thread writer([&] {
    for (const LostAnswer& each : lost) {
      if (!stream.Send(each.request)) return;
    }
  });
  RegainedAnswers regained{.step = step};
  absl::Status status;
  for (const LostAnswer& each : lost) {
    status = ReadAnswers(stream, each, &regained);
    if (!status.ok()) break;
  }
  if (!status.ok()) stream.Cancel();
  writer.join();
  if (!status.ok()) return status;
  regained.complete &= regained.step >= stream.opening_step();
  regained.step = std::max(regained.step, stream.opening_step());
  return regained;
}

}  // namespace backprop
