// SPDX-License-Identifier: Apache-2.0
//
// DeleteCheckpoint: a checkpoint goes, and with it what only it needed.
#ifndef BACKPROP_SERVER_CALLS_DELETE_CHECKPOINT_H_
#define BACKPROP_SERVER_CALLS_DELETE_CHECKPOINT_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST, also where it is pinned,
// SESSION_NOT_FOUND, CHECKPOINT_NOT_FOUND, or as Session::EditCheckpoints.
absl::StatusOr<Work> PlanDeleteCheckpoint(
    ServiceContext& context, const v1::DeleteCheckpointRequest& request,
    v1::DeleteCheckpointResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_DELETE_CHECKPOINT_H_
