// SPDX-License-Identifier: Apache-2.0
//
// What an RPC is counted by, and its one end.
#ifndef BACKPROP_SERVER_RPC_SERVICE_CALL_H_
#define BACKPROP_SERVER_RPC_SERVICE_CALL_H_

#include <grpcpp/support/status.h>

#include <chrono>

#include "absl/status/status.h"
#include "server/calls/service_context.h"
#include "server/ops/metrics.h"

namespace backprop {

// The counters of one RPC from its start to its end. Any thread; End is the
// last that is called.
class ServiceCall {
 public:
  ServiceCall(ServiceContext& context, Metrics::RpcType type,
              const char* method);

  // Each exactly when it happens.
  void MessageReceived() { rpc_.MessageReceived(); }
  void MessageSent() { rpc_.MessageSent(); }

  // Counts the RPC as handled, once, and translates its status.
  grpc::Status End(const absl::Status& status);

 private:
  ServiceContext& context_;
  Metrics::Rpc& rpc_;
  const std::chrono::steady_clock::time_point start_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_RPC_SERVICE_CALL_H_
