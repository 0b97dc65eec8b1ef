// SPDX-License-Identifier: Apache-2.0
//
// TrainStep: one step of samples typed by hand, shown in full.
#ifndef BACKPROP_SERVER_CALLS_TRAIN_STEP_H_
#define BACKPROP_SERVER_CALLS_TRAIN_STEP_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails as FindSession; the work, having changed nothing, with
// INVALID_REQUEST, REQUEST_ID_REUSED, NOT_READY, SESSION_HAS_WRITER or
// NON_FINITE_STEP.
absl::StatusOr<Work> PlanTrainStep(ServiceContext& context,
                                   const v1::TrainStepRequest& request,
                                   v1::TrainStepResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_TRAIN_STEP_H_
