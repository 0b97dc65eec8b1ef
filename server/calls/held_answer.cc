// SPDX-License-Identifier: Apache-2.0
#include "server/calls/held_answer.h"

#include "server/sessions/out_of_memory.h"

namespace backprop {

void HoldAnswer(const AppliedMessage& message, uint64_t first_offset,
                const v1::TrainResponse& response, const HeldRoom& room,
                HeldAnswers& held) {
  if (response.ByteSizeLong() > room.session_bytes) return;
  // Its steps are done, and it is sent all the same.
  CatchOutOfMemory([&] {
    held.Add(first_offset,
             {.message = message,
              .next_offset = response.next_offset(),
              .bytes = response.SerializeAsString()},
             room);
  }).IgnoreError();
}

void RepeatAnswer(const HeldAnswer& answer, v1::TrainResponse* response) {
  response->ParseFromString(answer.bytes);
  response->clear_rejection();
  response->set_held(true);
}

}  // namespace backprop
