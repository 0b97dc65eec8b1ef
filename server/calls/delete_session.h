// SPDX-License-Identifier: Apache-2.0
//
// DeleteSession: a session is gone for all who come after.
#ifndef BACKPROP_SERVER_CALLS_DELETE_SESSION_H_
#define BACKPROP_SERVER_CALLS_DELETE_SESSION_H_

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// At once (work.h); answered when the store has forgotten it too. Fails with
// INVALID_REQUEST, SESSION_NOT_FOUND or SESSION_BUSY.
absl::Status AnswerDeleteSession(ServiceContext& context,
                                 const v1::DeleteSessionRequest& request,
                                 v1::DeleteSessionResponse* response,
                                 Settle* settle);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_DELETE_SESSION_H_
