// SPDX-License-Identifier: Apache-2.0
//
// RewindSession: back to a checkpoint, or to a step of its history.
#ifndef BACKPROP_SERVER_CALLS_REWIND_SESSION_H_
#define BACKPROP_SERVER_CALLS_REWIND_SESSION_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST, SESSION_NOT_FOUND, CHECKPOINT_NOT_FOUND,
// STEP_NOT_KEPT, STEP_NOT_REACHED, SESSION_HAS_WRITER, or as ReadCheckpoint,
// ReadStep and Session::BeginRewind; the session is then as it was. With
// STORE_FAILED it may yet become what it was to be.
absl::StatusOr<Work> PlanRewindSession(ServiceContext& context,
                                       const v1::RewindSessionRequest& request,
                                       v1::RewindSessionResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_REWIND_SESSION_H_
