// SPDX-License-Identifier: Apache-2.0
#include "server/ops/http_endpoint.h"

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/ops/listen.h"

namespace backprop {
namespace {

constexpr unsigned int kNotFound = 404;
constexpr unsigned int kUnavailable = 503;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

HttpResponse Answer(std::string_view path, const Metrics& metrics,
                    const std::function<bool()>& ready) {
  if (path == "/metrics") {
    return {kHttpOk, kExposition, metrics.Serialize()};
  }
  if (path == "/healthz") return {kHttpOk, kText, "ok\n"};
  if (path == "/readyz") {
    return ready() ? HttpResponse{kHttpOk, kText, "ready\n"}
                   : HttpResponse{kUnavailable, kText, "not ready\n"};
  }
  return {kNotFound, kText,
          "There is nothing here. Paths: /metrics /healthz /readyz\n"};
}

absl::Status Unusable(const absl::Status& status) {
  return {status.code(), absl::StrCat("--http-address: ", status.message())};
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    const std::string& address, const Metrics& metrics,
    std::function<bool()> ready) {
  absl::StatusOr<Listener> listener = Listen(address);
  if (!listener.ok()) return Unusable(listener.status());
  auto server = HttpServer::Start(
      listener->socket, {},
      [&metrics, ready = std::move(ready)](std::string_view path) {
        return Answer(path, metrics, ready);
      });
  if (!server.ok()) return Unusable(server.status());
  return std::unique_ptr<HttpEndpoint>(
      new HttpEndpoint(*std::move(server), FormatHostPort(listener->address)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<HttpServer> server,
                           std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

}  // namespace backprop
