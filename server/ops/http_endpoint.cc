// SPDX-License-Identifier: Apache-2.0
#include "server/ops/http_endpoint.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/options/address.h"

namespace backprop {
namespace {

constexpr int kNotFound = 404;
constexpr int kServerError = 500;
constexpr int kUnavailable = 503;

// A scrape, two probes and a person at a time. Each connection holds a thread
// while it is open, hence the rules in Configure.
constexpr size_t kThreads = 4;
constexpr size_t kLargestBody = 1024;  // nothing here takes a body
constexpr time_t kIdleSeconds = 1;
constexpr time_t kTransferSeconds = 2;

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

void Configure(httplib::Server* server) {
  server->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // One request a connection: a scraper that keeps its connection open must not
  // hold a thread that a health check needs.
  server->set_keep_alive_max_count(1);
  server->set_keep_alive_timeout(kIdleSeconds);
  server->set_read_timeout(kTransferSeconds);
  server->set_write_timeout(kTransferSeconds);
  server->set_payload_max_length(kLargestBody);
  // httplib's default is SO_REUSEPORT: two servers would share one port and
  // each answer some requests.
  server->set_socket_options([](auto socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
}

void AddPaths(const Metrics& metrics, std::function<bool()> ready,
              httplib::Server* server) {
  server->Get("/metrics", [&metrics](const httplib::Request& /*request*/,
                                     httplib::Response& response) {
    response.set_content(metrics.Serialize(), kExposition);
  });
  server->Get("/healthz", [](const httplib::Request& /*request*/,
                             httplib::Response& response) {
    response.set_content("ok\n", kText);
  });
  server->Get("/readyz",
              [ready = std::move(ready)](const httplib::Request& /*request*/,
                                         httplib::Response& response) {
                if (ready()) {
                  response.set_content("ready\n", kText);
                } else {
                  response.status = kUnavailable;
                  response.set_content("not ready\n", kText);
                }
              });
  server->set_error_handler(
      [](const httplib::Request& /*request*/, httplib::Response& response) {
        if (response.status != kNotFound) return;
        response.set_content(
            "There is nothing here. Paths: /metrics /healthz /readyz\n", kText);
      });
  server->set_exception_handler([](const httplib::Request& /*request*/,
                                   httplib::Response& response,
                                   const std::exception_ptr& /*exception*/) {
    response.status = kServerError;
    response.set_content("The server failed to answer.\n", kText);
  });
}

absl::Status Unusable(const std::string& address, std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("--http-address: cannot listen on ", address, ": ",
                   absl::string_view(why.data(), why.size())));
}

}  // namespace

struct HttpEndpoint::State {
  httplib::Server server;
  std::atomic<bool> ended = false;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    const std::string& address, const Metrics& metrics,
    std::function<bool()> ready) {
  absl::StatusOr<HostPort> bound = ParseHostPort(address);
  if (!bound.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--http-address: ", bound.status().message()));
  }
  auto state = std::make_unique<State>();
  Configure(&state->server);
  AddPaths(metrics, std::move(ready), &state->server);
  errno = 0;
  if (bound->port == 0) {
    const int port = state->server.bind_to_any_port(bound->host);
    if (port <= 0) return Unusable(address, std::strerror(errno));
    bound->port = static_cast<uint16_t>(port);
  } else if (!state->server.bind_to_port(bound->host, bound->port)) {
    return Unusable(address,
                    errno == 0 ? "no such host" : std::strerror(errno));
  }
  State& running = *state;
  state->thread = std::thread([&running] {
    running.server.listen_after_bind();
    running.ended = true;
  });
  // stop() does nothing before the thread listens.
  while (!running.server.is_running() && !running.ended) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::unique_ptr<HttpEndpoint>(
      new HttpEndpoint(std::move(state), FormatHostPort(*bound)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<State> state, std::string address)
    : state_(std::move(state)), address_(std::move(address)) {}

HttpEndpoint::~HttpEndpoint() {
  state_->server.stop();
  state_->thread.join();
}

}  // namespace backprop
