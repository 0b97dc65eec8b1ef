// SPDX-License-Identifier: Apache-2.0
//
// The HTTP port for platforms: /metrics (Prometheus), /healthz (the process
// answers), /readyz (200 while it takes traffic, 503 before and while
// draining).
#ifndef BACKPROP_SERVER_OPS_HTTP_ENDPOINT_H_
#define BACKPROP_SERVER_OPS_HTTP_ENDPOINT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/ops/metrics.h"

namespace backprop {

class HttpEndpoint {
 public:
  // Binds and starts serving on threads of its own. ready is called from them.
  // metrics must outlive the endpoint. Fails if the address is malformed or
  // taken (the message names flag --http-address).
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      const std::string& address, const Metrics& metrics,
      std::function<bool()> ready);

  // Stops serving and joins.
  ~HttpEndpoint();

  // host:port with the actual port.
  const std::string& address() const { return address_; }

 private:
  struct State;
  HttpEndpoint(std::unique_ptr<State> state, std::string address);

  std::unique_ptr<State> state_;
  std::string address_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_HTTP_ENDPOINT_H_
