// SPDX-License-Identifier: Apache-2.0
//
// CreateCheckpoint: a session as it is now, under a name.
#ifndef BACKPROP_SERVER_CALLS_CREATE_CHECKPOINT_H_
#define BACKPROP_SERVER_CALLS_CREATE_CHECKPOINT_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST, SESSION_NOT_FOUND, NO_STORE,
// CHECKPOINT_EXISTS, SESSION_LIMIT where there are too many, or as
// Session::EditCheckpoints.
absl::StatusOr<Work> PlanCreateCheckpoint(
    ServiceContext& context, const v1::CreateCheckpointRequest& request,
    v1::CreateCheckpointResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_CREATE_CHECKPOINT_H_
