// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/service_call.h"

#include <string>

#include "server/sessions/rejection.h"
#include "server/translation/rpc_status.h"

namespace backprop {
namespace {

// Details travel in the trailer grpc-status-details-bin.
grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status proto = ToRpcStatus(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      proto.message(), proto.SerializeAsString());
}

}  // namespace

ServiceCall::ServiceCall(ServiceContext& context, Metrics::RpcType type,
                         const char* method)
    : context_(context),
      rpc_(context.metrics.ForRpc(type, "backprop.v1.TrainingService", method)),
      start_(std::chrono::steady_clock::now()) {
  rpc_.Started();
}

grpc::Status ServiceCall::End(const absl::Status& status) {
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    context_.metrics.RecordRejection(reason);
  }
  const std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start_;
  rpc_.Handled(static_cast<int>(status.code()), seconds.count());
  return ToGrpcStatus(status);
}

}  // namespace backprop
