// SPDX-License-Identifier: Apache-2.0
#include "server/service_call.h"

#include <utility>

#include "server/rejection.h"
#include "server/rpc_status.h"

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

absl::Status Admit(const ServiceContext& context) {
  if (context.draining) {
    return Rejection(kShuttingDown,
                     "the server is shutting down: try again, or another one");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<PendingCall>> PendingCall::Enter(
    ServiceContext& context) {
  if (++context.pending_calls > context.options.max_pending_calls) {
    --context.pending_calls;
    return Rejection(kQueueLimit,
                     "too many calls wait for a thread (--max-pending-calls): "
                     "try again with backoff");
  }
  return std::make_shared<PendingCall>(context);
}

grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context,
                                    grpc::CallbackServerContext* rpc,
                                    const char* method,
                                    const std::function<absl::Status()>& body) {
  ServiceCall call(context, Metrics::RpcType::kUnary, method);
  call.MessageReceived();
  absl::Status status = Admit(context);
  if (status.ok()) status = body();
  if (status.ok()) call.MessageSent();
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  reactor->Finish(call.End(status));
  return reactor;
}

grpc::ServerUnaryReactor* AnswerInTurn(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, std::shared_ptr<Lane> lane,
    std::function<absl::Status(Worker&)> body) {
  ServiceCall call(context, Metrics::RpcType::kUnary, method);
  call.MessageReceived();
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  absl::Status status = Admit(context);
  if (status.ok()) {
    auto pending = PendingCall::Enter(context);
    if (pending.ok()) {
      if (lane == nullptr) lane = std::make_shared<Lane>();
      context.pool.Submit(
          lane, [call, rpc, reactor, body = std::move(body),
                 pending = *std::move(pending)](Worker& worker) mutable {
            absl::Status done = rpc->IsCancelled()
                                    ? absl::CancelledError("cancelled")
                                    : body(worker);
            if (done.ok()) call.MessageSent();
            pending.reset();
            reactor->Finish(call.End(done));
          });
      return reactor;
    }
    status = pending.status();
  }
  reactor->Finish(call.End(status));
  return reactor;
}

}  // namespace backprop
