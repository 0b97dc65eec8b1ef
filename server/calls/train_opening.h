// SPDX-License-Identifier: Apache-2.0
//
// The first message of a Train stream, and what it makes the stream.
#ifndef BACKPROP_SERVER_CALLS_TRAIN_OPENING_H_
#define BACKPROP_SERVER_CALLS_TRAIN_OPENING_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/train.h"
#include "server/sessions/session.h"

namespace backprop {

struct TrainOpening {
  std::shared_ptr<Session> session;  // the stream is its writer
  AnswerContent content;
  HeldRoom held = {};         // for what the session is to hold
  bool coalesce = false;      // TrainOptions.coalesce
  bool tell_durable = false;  // TrainOptions.tell_durable
  bool resync = false;        // TrainResponse.resync, of the answer
};

// Makes the stream its session's writer, which whoever calls this has to detach
// again (Session::DetachWriter), and has the one told whose place it takes, if
// any. Fails with INVALID_REQUEST, SESSION_NOT_FOUND or SESSION_HAS_WRITER.
absl::StatusOr<TrainOpening> OpenTraining(
    ServiceContext& context, const v1::TrainRequest& first,
    const std::shared_ptr<Writer>& writer);

// The answer to it.
void AnswerOpening(const Session& session, bool resync,
                   v1::TrainResponse* response);

// How far the session is durable, for who has had that answer last. Nothing
// where that has said as much.
std::optional<v1::TrainResponse> DurableNews(const Session& session,
                                             const v1::TrainResponse& last);

// The last answer of a stream that the server ends. messages: those with
// samples that the stream began.
v1::TrainResponse Goodbye(const Session& session, uint64_t messages);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_TRAIN_OPENING_H_
