// SPDX-License-Identifier: Apache-2.0
//
// What a session that starts from another's weights is trained with.
#ifndef BACKPROP_SERVER_CALLS_FORK_SPEC_H_
#define BACKPROP_SERVER_CALLS_FORK_SPEC_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/sessions/session.h"

namespace backprop {

// The effective spec of a fork: the request's, or the origin's if it has none,
// with what the origin has learnt of its inputs. request.fork is set. Fails
// with INVALID_REQUEST where it doesn't suit the origin.
absl::StatusOr<SessionSpec> ForkedSpec(const v1::CreateSessionRequest& request,
                                       const Session& origin);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_FORK_SPEC_H_
