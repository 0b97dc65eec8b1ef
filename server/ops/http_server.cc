// SPDX-License-Identifier: Apache-2.0
#include "server/ops/http_server.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <list>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A connection's request line, headers and answer's head; more of them is
// answered with 431.
constexpr size_t kConnectionBytes = 16384;
// Connections that are cut, and count until the library has seen their end.
constexpr size_t kMostCut = 16;
// Until the listener is looked at again after the process had no descriptor
// for a connection.
constexpr milliseconds kPause(100);

constexpr const char* kPlainText = "text/plain; charset=utf-8";

using ResponsePtr = std::unique_ptr<MHD_Response, void (*)(MHD_Response*)>;

MHD_Result Queue(MHD_Connection* connection, const HttpResponse& response) {
  const ResponsePtr made(
      MHD_create_response_from_buffer(response.body.size(),
                                      const_cast<char*>(response.body.data()),
                                      MHD_RESPMEM_MUST_COPY),
      MHD_destroy_response);
  if (made == nullptr) return MHD_NO;  // it is closed
  MHD_add_response_header(made.get(), MHD_HTTP_HEADER_CONTENT_TYPE,
                          response.content_type);
  if (response.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(made.get(), MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  // One request a connection: then the time that it may take is the request's.
  MHD_add_response_header(made.get(), MHD_HTTP_HEADER_CONNECTION, "close");
  return MHD_queue_response(connection, response.status, made.get());
}

}  // namespace

class HttpServer::Loop {
 public:
  Loop(int listening, HttpLimits limits, Handler handler)
      : listening_(listening), limits_(limits), handler_(std::move(handler)) {}

  ~Loop() {
    if (thread_.joinable()) {
      stop_ = true;
      eventfd_write(wake_, 1);
      thread_.join();
    }
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
    if (wake_ >= 0) close(wake_);
    close(listening_);
  }

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  absl::Status Start();

 private:
  struct Connection {
    int socket;
    steady_clock::time_point end;
    bool cut = false;  // it is closed when the library sees that
  };

  static MHD_Result Answer(void* self, MHD_Connection* connection,
                           const char* path, const char* method,
                           const char* version, const char* body,
                           size_t* body_size, void** request);
  static void Notify(void* self, MHD_Connection* connection, void** opened,
                     MHD_ConnectionNotificationCode code);

  HttpResponse Respond(std::string_view method, std::string_view path) const;
  void Opened(MHD_Connection* connection, void** opened);
  void Closed(const Connection& connection);
  void Run();
  int PollTimeout() const;
  void Accept();
  void MakeRoom();
  void EndOverdue();
  static void Cut(Connection& connection);

  const int listening_;
  const HttpLimits limits_;
  const Handler handler_;
  int wake_ = -1;
  MHD_Daemon* daemon_ = nullptr;
  int events_ = -1;                    // the library's epoll
  std::list<Connection> connections_;  // the oldest first
  steady_clock::time_point accept_from_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

absl::Status HttpServer::Loop::Start() {
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0) return absl::ResourceExhaustedError("no descriptor is left");
  // The listener is ours: the library's own stops for good when descriptors run
  // out, and takes no connection while its limit is reached.
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, nullptr, nullptr, &Answer,
      this, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes,
      MHD_OPTION_CONNECTION_LIMIT,
      static_cast<unsigned int>(limits_.connections + kMostCut),
      MHD_OPTION_NOTIFY_CONNECTION, &Notify, this, MHD_OPTION_END);
  if (daemon_ == nullptr) {
    return absl::ResourceExhaustedError("no descriptor or memory is left");
  }
  events_ = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return absl::ResourceExhaustedError("no thread is left");
  }
  return absl::OkStatus();
}

void HttpServer::Loop::Run() {
  while (!stop_) {
    const bool accepts = steady_clock::now() >= accept_from_;
    std::array<pollfd, 3> wanted{{{wake_, POLLIN, 0},
                                  {events_, POLLIN, 0},
                                  {accepts ? listening_ : -1, POLLIN, 0}}};
    poll(wanted.data(), wanted.size(), PollTimeout());
    if (wanted.back().revents != 0) Accept();
    MHD_run(daemon_);
    EndOverdue();
  }
}

int HttpServer::Loop::PollTimeout() const {
  const auto now = steady_clock::now();
  milliseconds timeout = limits_.time;
  const auto until = [&](steady_clock::time_point moment) {
    const auto left = std::chrono::ceil<milliseconds>(moment - now);
    timeout = std::clamp(left, milliseconds(0), timeout);
  };
  if (!connections_.empty()) until(connections_.front().end);
  if (accept_from_ > now) until(accept_from_);
  MHD_UNSIGNED_LONG_LONG library = 0;
  if (MHD_get_timeout(daemon_, &library) == MHD_YES) {
    until(now + milliseconds(std::min<MHD_UNSIGNED_LONG_LONG>(
                    library, static_cast<uint64_t>(timeout.count()))));
  }
  return static_cast<int>(timeout.count());
}

// One: without descriptors the kernel says so though nobody waits.
void HttpServer::Loop::Accept() {
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  auto* const address = reinterpret_cast<sockaddr*>(&peer);
  const int socket =
      accept4(listening_, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (socket < 0) {
    // The others are of the connection that would have been accepted.
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
        errno != ENOMEM) {
      return;
    }
    accept_from_ = steady_clock::now() + kPause;
    return MakeRoom();
  }
  if (connections_.size() >= limits_.connections) MakeRoom();
  MHD_add_connection(daemon_, socket, address, size);  // it closes what fails
}

void HttpServer::Loop::MakeRoom() {
  const auto oldest =
      std::find_if(connections_.begin(), connections_.end(),
                   [](const Connection& open) { return !open.cut; });
  if (oldest != connections_.end()) Cut(*oldest);
}

void HttpServer::Loop::EndOverdue() {
  const auto now = steady_clock::now();
  for (Connection& open : connections_) {
    if (open.end > now) return;
    Cut(open);
  }
}

void HttpServer::Loop::Cut(Connection& connection) {
  if (!std::exchange(connection.cut, true)) {
    shutdown(connection.socket, SHUT_RDWR);
  }
}

void HttpServer::Loop::Notify(void* self, MHD_Connection* connection,
                              void** opened,
                              MHD_ConnectionNotificationCode code) {
  auto* const loop = static_cast<Loop*>(self);
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    loop->Opened(connection, opened);
  } else if (*opened != nullptr) {
    loop->Closed(*static_cast<const Connection*>(*opened));
  }
}

void HttpServer::Loop::Opened(MHD_Connection* connection, void** opened) {
  const int socket =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
          ->connect_fd;
  try {
    connections_.push_back({socket, steady_clock::now() + limits_.time});
    *opened = &connections_.back();
  } catch (const std::bad_alloc&) {
    shutdown(socket, SHUT_RDWR);  // nobody would end it in time
  }
}

void HttpServer::Loop::Closed(const Connection& connection) {
  connections_.remove_if(
      [&](const Connection& open) { return &open == &connection; });
}

MHD_Result HttpServer::Loop::Answer(void* self, MHD_Connection* connection,
                                    const char* path, const char* method,
                                    const char* /*version*/,
                                    const char* /*body*/, size_t* /*body_size*/,
                                    void** /*request*/) {
  return Queue(connection, static_cast<Loop*>(self)->Respond(method, path));
}

HttpResponse HttpServer::Loop::Respond(std::string_view method,
                                       std::string_view path) const {
  try {
    if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
      return {MHD_HTTP_METHOD_NOT_ALLOWED, kPlainText,
              "Only GET and HEAD are answered.\n"};
    }
    return handler_(path);
  } catch (...) {  // the library is C; too short to need memory
    return {MHD_HTTP_INTERNAL_SERVER_ERROR, kPlainText, "No answer.\n"};
  }
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(int listening,
                                                              HttpLimits limits,
                                                              Handler handler) {
  auto loop = std::make_unique<Loop>(listening, limits, std::move(handler));
  if (absl::Status status = loop->Start(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(loop)));
}

HttpServer::HttpServer(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

HttpServer::~HttpServer() = default;

}  // namespace backprop
