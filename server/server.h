// SPDX-License-Identifier: Apache-2.0
//
// The gRPC server put together: sessions, compute pool, services, health,
// reflection.
#ifndef BACKPROP_SERVER_SERVER_H_
#define BACKPROP_SERVER_SERVER_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/ops/metrics.h"
#include "server/options/options.h"

namespace backprop {

class Server {
 public:
  // Listens and serves when it returns. Fails where a flag is wrong, which the
  // message names, and where OpenBLAS computes wrongly on this machine
  // (CheckBlas). metrics must outlive the server.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServerOptions& options, Metrics* metrics);

  // Drains, without grace, if nobody has.
  ~Server();

  // host:port with the actual port.
  const std::string& grpc_address() const;

  // With what it computes; the metrics' build_info says the same.
  const ComputeLabels& compute_labels() const;

  // Whether new work is welcome: true from Start to Drain. Any thread.
  bool ready() const;

  // A channel into this server without a socket. gRPC 1.51 closes it within
  // Drain: what a client has not asked for by then (the last status, say) it
  // doesn't get, and a call that begins afterwards crashes.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Stops in order: not ready and NOT_SERVING, drain_seconds of grace, every
  // Train stream answers what it has begun, says goodbye and ends with OK, the
  // rest is cut off after 5 s. Returns when all threads are done. Once.
  void Drain();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_SERVER_H_
