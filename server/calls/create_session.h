// SPDX-License-Identifier: Apache-2.0
//
// CreateSession's work: from a request to a session that has its weights.
#ifndef BACKPROP_SERVER_CALLS_CREATE_SESSION_H_
#define BACKPROP_SERVER_CALLS_CREATE_SESSION_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/options/options.h"
#include "server/sessions/session_table.h"

namespace backprop {

// Makes the session, or finds the one that an equal request made. Allocates
// nothing for a request that it refuses: INVALID_REQUEST, SESSION_NOT_FOUND (of
// a fork's origin), SESSION_LIMIT or REQUEST_ID_REUSED. Takes as long as the
// weights take to be filled: a second for some 100 million. With request.fork,
// only within a turn of the origin's lane, if there is such a session.
absl::StatusOr<SessionTable::Created> MakeSession(
    const ServerOptions& options, const v1::CreateSessionRequest& request,
    SessionTable& sessions);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_CREATE_SESSION_H_
