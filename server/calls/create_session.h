// SPDX-License-Identifier: Apache-2.0
//
// CreateSession: from a request to a session that has its weights.
#ifndef BACKPROP_SERVER_CALLS_CREATE_SESSION_H_
#define BACKPROP_SERVER_CALLS_CREATE_SESSION_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. The work is done in the lane of a fork's origin, else in its own. It
// makes the session, or finds the one that an equal request made, and takes as
// long as the weights take to be filled: a second for some 100 million. It
// allocates nothing for a request that it refuses: INVALID_REQUEST,
// SESSION_NOT_FOUND (of a fork's origin), SESSION_LIMIT or REQUEST_ID_REUSED.
absl::StatusOr<Work> PlanCreateSession(ServiceContext& context,
                                       const v1::CreateSessionRequest& request,
                                       v1::CreateSessionResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_CREATE_SESSION_H_
