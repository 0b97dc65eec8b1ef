// SPDX-License-Identifier: Apache-2.0
//
// UpdateCheckpoint: how long a checkpoint is kept.
#ifndef BACKPROP_SERVER_CALLS_UPDATE_CHECKPOINT_H_
#define BACKPROP_SERVER_CALLS_UPDATE_CHECKPOINT_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST, SESSION_NOT_FOUND, CHECKPOINT_NOT_FOUND,
// or as Session::EditCheckpoints.
absl::StatusOr<Work> PlanUpdateCheckpoint(
    ServiceContext& context, const v1::UpdateCheckpointRequest& request,
    v1::UpdateCheckpointResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_UPDATE_CHECKPOINT_H_
