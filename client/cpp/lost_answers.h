// SPDX-License-Identifier: Apache-2.0
//
// For ResumingTrainStream alone: the answers to what was applied before the
// stream broke, asked for once more on the stream that takes its place.
#ifndef BACKPROP_CLIENT_CPP_LOST_ANSWERS_H_
#define BACKPROP_CLIENT_CPP_LOST_ANSWERS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/train_stream.h"

namespace backprop {

// A message of which more was applied than answered.
struct LostAnswer {
  std::shared_ptr<const v1::TrainRequest> request;
  uint64_t answered = 0;  // the offset up to which the user has answers
};

struct RegainedAnswers {
  // To the messages' ends, without what the user has.
  std::deque<TrainAnswer> answers;
  // They lead from where the last answer was to where the session is: nothing
  // was skipped, and a replica can go on with them.
  bool complete = true;
  uint64_t step = 0;  // of the session after them
};

// Sends the messages on a stream that nothing was sent on yet, and reads until
// all are answered. step: of the last answer that there was. Not OK: the stream
// has ended.
absl::StatusOr<RegainedAnswers> AskAgain(TrainStream& stream,
                                         const std::vector<LostAnswer>& lost,
                                         uint64_t step);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_LOST_ANSWERS_H_
