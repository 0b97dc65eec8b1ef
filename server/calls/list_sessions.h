// SPDX-License-Identifier: Apache-2.0
//
// ListSessions: all sessions, page by page.
#ifndef BACKPROP_SERVER_CALLS_LIST_SESSIONS_H_
#define BACKPROP_SERVER_CALLS_LIST_SESSIONS_H_

#include "absl/status/statusor.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/calls/work.h"

namespace backprop {

// work.h. Fails with INVALID_REQUEST.
absl::StatusOr<Work> PlanListSessions(ServiceContext& context,
                                      const v1::ListSessionsRequest& request,
                                      v1::ListSessionsResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_LIST_SESSIONS_H_
