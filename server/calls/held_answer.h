// SPDX-License-Identifier: Apache-2.0
//
// What is held of a Train stream's answers (TrainOptions.hold_answers).
#ifndef BACKPROP_SERVER_CALLS_HELD_ANSWER_H_
#define BACKPROP_SERVER_CALLS_HELD_ANSWER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/held_answers.h"

namespace backprop {

// Holds a response that has been filled: the one to that message's samples from
// first_offset up to its next_offset. Where memory is short it is not held.
// Returns the response's bytes, if that took making them; else null.
std::shared_ptr<const std::string> HoldAnswer(const AppliedMessage& message,
                                              uint64_t first_offset,
                                              const v1::TrainResponse& response,
                                              const HeldRoom& room,
                                              HeldAnswers& held);

// UNAVAILABLE: what was to be repeated is not held any more.
absl::Status HeldAnswerIsGone();

// What the steps were answered with. That is not all of the response: which
// message it answers, whether to the end, how much is durable and why what
// followed was refused is what it is now. Fails so where the bytes are no
// response.
absl::Status RepeatAnswer(const HeldAnswer& answer,
                          v1::TrainResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_HELD_ANSWER_H_
