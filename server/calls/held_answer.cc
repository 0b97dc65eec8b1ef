// SPDX-License-Identifier: Apache-2.0
#include "server/calls/held_answer.h"

#include "server/sessions/out_of_memory.h"

namespace backprop {

std::shared_ptr<const std::string> HoldAnswer(const AppliedMessage& message,
                                              uint64_t first_offset,
                                              const v1::TrainResponse& response,
                                              const HeldRoom& room,
                                              HeldAnswers& held) {
  std::shared_ptr<const std::string> bytes;
  if (response.ByteSizeLong() > room.session_bytes) return bytes;
  // Its steps are done, and it is sent all the same.
  CatchOutOfMemory([&] {
    bytes = std::make_shared<const std::string>(response.SerializeAsString());
    held.Add(first_offset,
             {.message = message,
              .next_offset = response.next_offset(),
              .bytes = bytes},
             room);
  }).IgnoreError();
  return bytes;
}

absl::Status HeldAnswerIsGone() {
  return absl::UnavailableError(
      "an answer that was held for the session is not there any more: open "
      "another stream, on which its samples are skipped");
}

absl::Status RepeatAnswer(const HeldAnswer& answer,
                          v1::TrainResponse* response) {
  if (!response->ParseFromString(*answer.bytes)) return HeldAnswerIsGone();
  response->clear_rejection();
  response->set_held(true);
  return absl::OkStatus();
}

}  // namespace backprop
