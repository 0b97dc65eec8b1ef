// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 for a port that strangers may reach: one thread, and each connection
// bounded in time and memory. What it answers is its owner's.
#ifndef BACKPROP_SERVER_OPS_HTTP_SERVER_H_
#define BACKPROP_SERVER_OPS_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace backprop {

inline constexpr unsigned int kHttpOk = 200;

struct HttpResponse {
  unsigned int status = kHttpOk;
  const char* content_type = "";  // lives as long as the process
  std::string body;
};

struct HttpLimits {
  // Open at once. One more makes the oldest end: who holds connections open
  // keeps nobody out.
  size_t connections = 64;
  // From a connection's start to its end, whatever it does meanwhile.
  std::chrono::milliseconds time = std::chrono::seconds(5);
};

class HttpServer {
 public:
  // Answers GET and HEAD; path is decoded, without what follows a '?'. Called
  // from the server's thread. What it throws is answered with 500.
  using Handler = std::function<HttpResponse(std::string_view path)>;

  // listening: a socket that listens and does not block; it is the server's
  // from now on. kResourceExhausted if the process has no descriptors or
  // threads left.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(int listening,
                                                           HttpLimits limits,
                                                           Handler handler);

  // Ends all connections, and waits for none of them.
  ~HttpServer();

 private:
  class Loop;
  explicit HttpServer(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_HTTP_SERVER_H_
