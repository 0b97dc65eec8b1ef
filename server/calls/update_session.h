// SPDX-License-Identifier: Apache-2.0
//
// UpdateSession's work: what a session is trained with from its next step on.
#ifndef BACKPROP_SERVER_CALLS_UPDATE_SESSION_H_
#define BACKPROP_SERVER_CALLS_UPDATE_SESSION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"
#include "server/sessions/session.h"

namespace backprop {

// Only within a turn of the session's lane. Changes all that the request's mask
// names, unless that was done before, or fails with INVALID_REQUEST or
// REQUEST_ID_REUSED and changes nothing.
absl::Status UpdateHyperparameters(const v1::UpdateSessionRequest& request,
                                   Session& session,
                                   v1::UpdateSessionResponse* response);

// work.h. Fails as FindSession.
absl::StatusOr<Work> PlanUpdateSession(ServiceContext& context,
                                       const v1::UpdateSessionRequest& request,
                                       v1::UpdateSessionResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_UPDATE_SESSION_H_
