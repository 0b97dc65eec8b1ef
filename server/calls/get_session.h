// SPDX-License-Identifier: Apache-2.0
//
// GetSession: how a session is described, and what that takes.
#ifndef BACKPROP_SERVER_CALLS_GET_SESSION_H_
#define BACKPROP_SERVER_CALLS_GET_SESSION_H_

#include <cstddef>

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"
#include "server/sessions/session.h"
#include "server/sessions/session_loader.h"

namespace backprop {

// What a session's description takes at most, more or less: beside its spec,
// the layout of so many layers ...
size_t SessionBytes(size_t layers);
// ... and with it.
size_t SessionBytes(const Session& session);

// A session as it is: in memory, or in the store, which leaves it there.
void DescribeSession(const Described& described, v1::Session* proto);

// At once (work.h); of one in the store alone, when it has been read. Fails
// with INVALID_REQUEST, SESSION_NOT_FOUND, SESSION_DAMAGED or STORE_FAILED.
absl::Status AnswerGetSession(ServiceContext& context,
                              const v1::GetSessionRequest& request,
                              v1::GetSessionResponse* response, Settle* settle);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_GET_SESSION_H_
