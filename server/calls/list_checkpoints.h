// SPDX-License-Identifier: Apache-2.0
//
// ListCheckpoints: a session's checkpoints, page by page.
#ifndef BACKPROP_SERVER_CALLS_LIST_CHECKPOINTS_H_
#define BACKPROP_SERVER_CALLS_LIST_CHECKPOINTS_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST or SESSION_NOT_FOUND.
absl::StatusOr<Work> PlanListCheckpoints(
    ServiceContext& context, const v1::ListCheckpointsRequest& request,
    v1::ListCheckpointsResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_LIST_CHECKPOINTS_H_
