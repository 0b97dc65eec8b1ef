// SPDX-License-Identifier: Apache-2.0
//
// TrainStep's work: one step of samples typed by hand, shown in full.
#ifndef BACKPROP_SERVER_CALLS_TRAIN_STEP_H_
#define BACKPROP_SERVER_CALLS_TRAIN_STEP_H_

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/ops/metrics.h"
#include "server/sessions/compute_pool.h"
#include "server/sessions/session.h"

namespace backprop {

// What the answer takes at most.
size_t SingleStepBytes(const Layout& layout);

// Only within a turn of the session's lane. Fails, having changed nothing, with
// INVALID_REQUEST, NOT_READY, SESSION_HAS_WRITER or NON_FINITE_STEP.
absl::Status TakeSingleStep(Session& session,
                            const v1::TrainStepRequest& request,
                            Metrics& metrics, Worker& worker,
                            v1::TrainStepResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_TRAIN_STEP_H_
