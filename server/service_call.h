// SPDX-License-Identifier: Apache-2.0
//
// What every RPC has: what it works on, its counters, and its one end.
#ifndef BACKPROP_SERVER_SERVICE_CALL_H_
#define BACKPROP_SERVER_SERVICE_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "server/compute_pool.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/session_table.h"

namespace backprop {

// What the services share; outlives every call.
struct ServiceContext {
  const ServerOptions& options;
  Metrics& metrics;
  SessionTable& sessions;
  ComputePool& pool;
  std::atomic<bool> draining = false;
  std::atomic<size_t> pending_calls = 0;  // waiting for or in a turn
};

// The counters of one RPC from its start to its end. Any thread, one at a time.
class ServiceCall {
 public:
  ServiceCall(ServiceContext& context, Metrics::RpcType type,
              const char* method);

  // Each exactly when it happens.
  void MessageReceived() { rpc_.MessageReceived(); }
  void MessageSent() { rpc_.MessageSent(); }

  // Counts the RPC as handled, once, and translates its status.
  grpc::Status End(const absl::Status& status);

  ServiceContext& context() { return context_; }

 private:
  ServiceContext& context_;
  Metrics::Rpc& rpc_;
  const std::chrono::steady_clock::time_point start_;
};

// SHUTTING_DOWN once the server drains. Also the one place where callers will
// be authenticated, when there is authentication.
absl::Status Admit(const ServiceContext& context);

// Counts a place among the calls waiting for the pool; gives it back when
// destroyed. Fails with QUEUE_LIMIT when all are taken.
class PendingCall {
 public:
  static absl::StatusOr<std::shared_ptr<PendingCall>> Enter(
      ServiceContext& context);
  explicit PendingCall(ServiceContext& context) : context_(context) {}
  ~PendingCall() { --context_.pending_calls; }
  PendingCall(const PendingCall&) = delete;
  PendingCall& operator=(const PendingCall&) = delete;

 private:
  ServiceContext& context_;
};

// Answers a unary call: admits it, runs body, counts, finishes. body runs here.
grpc::ServerUnaryReactor* AnswerNow(ServiceContext& context,
                                    grpc::CallbackServerContext* rpc,
                                    const char* method,
                                    const std::function<absl::Status()>& body);

// The same with body in a turn of lane (a lane of its own if null). A call that
// the client has given up by then is not run.
grpc::ServerUnaryReactor* AnswerInTurn(
    ServiceContext& context, grpc::CallbackServerContext* rpc,
    const char* method, std::shared_ptr<Lane> lane,
    std::function<absl::Status(Worker&)> body);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVICE_CALL_H_
