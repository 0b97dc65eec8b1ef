// SPDX-License-Identifier: Apache-2.0
//
// GetServerInfo: what the server is, how it computes, and its limits.
#ifndef BACKPROP_SERVER_CALLS_GET_SERVER_INFO_H_
#define BACKPROP_SERVER_CALLS_GET_SERVER_INFO_H_

#include "absl/status/status.h"
#include "backprop/v1/training_service.pb.h"
#include "server/calls/service_context.h"
#include "server/ops/metrics.h"

namespace backprop {

// With what this process computes: log and metrics say the same.
ComputeLabels GetComputeLabels();

// At once (work.h). Never fails.
absl::Status AnswerGetServerInfo(ServiceContext& context,
                                 const v1::GetServerInfoRequest& request,
                                 v1::GetServerInfoResponse* response);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_GET_SERVER_INFO_H_
