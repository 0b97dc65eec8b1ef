// SPDX-License-Identifier: Apache-2.0
//
// Predict: the outputs of many rows, in turns of bounded length.
#ifndef BACKPROP_SERVER_CALLS_PREDICT_H_
#define BACKPROP_SERVER_CALLS_PREDICT_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails as FindSession; the work with INVALID_REQUEST, NOT_READY or
// NON_FINITE_OUTPUT.
absl::StatusOr<Work> PlanPredict(ServiceContext& context,
                                 const v1::PredictRequest& request,
                                 v1::PredictResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_PREDICT_H_
