// SPDX-License-Identifier: Apache-2.0
//
// For ResumingTrainStream alone: a stream is opened, or not, in a bounded time.
// Keepalive finds a peer that is gone; a proxy that lives, with nobody behind
// it who answers, it does not.
#ifndef BACKPROP_CLIENT_CPP_TIMELY_OPENING_H_
#define BACKPROP_CLIENT_CPP_TIMELY_OPENING_H_

#include <memory>

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "client/cpp/backoff.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/train_stream.h"
#include "client/cpp/training_client.h"

namespace backprop {

// TrainingClient::OpenTrainWith with a window that is never full. UNAVAILABLE:
// the server did not answer the opening within ClientOptions.call_deadline, as
// the clock has it. cancellation may be null.
absl::StatusOr<std::unique_ptr<TrainStream>> OpenTrainInTime(
    TrainingClient& client, const v1::Session& session,
    v1::TrainRequest opening, RetryClock& clock, Cancellation* cancellation);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_TIMELY_OPENING_H_
