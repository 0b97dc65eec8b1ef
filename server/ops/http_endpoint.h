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
#include "server/ops/http_server.h"
#include "server/ops/metrics.h"

namespace backprop {

class HttpEndpoint {
 public:
  // Binds and starts serving on a thread of its own. ready is called from it.
  // metrics must outlive the endpoint. Fails if the address is malformed or
  // taken (the message names flag --http-address).
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(
      const std::string& address, const Metrics& metrics,
      std::function<bool()> ready);

  // host:port with the actual port.
  const std::string& address() const { return address_; }

 private:
  HttpEndpoint(std::unique_ptr<HttpServer> server, std::string address);

  std::unique_ptr<HttpServer> server_;
  std::string address_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_HTTP_ENDPOINT_H_
