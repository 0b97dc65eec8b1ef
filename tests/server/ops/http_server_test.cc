// SPDX-License-Identifier: Apache-2.0
//
// What strangers may do to the HTTP port, on plain sockets.
#include "server/ops/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/ops/listen.h"

namespace backprop {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kMebibyte = size_t{1} << 20;

// A client's end of a connection.
class Peer {
 public:
  explicit Peer(uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        socket_ >= 0 && connect(socket_, reinterpret_cast<sockaddr*>(&address),
                                sizeof(address)) == 0;
  }
  ~Peer() { close(socket_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool connected() const { return connected_; }

  // False once the server is gone.
  bool Send(const std::string& text) {
    return send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  // Up to the end of the connection.
  std::string Rest() {
    std::string all;
    char piece[65536];
    ssize_t got = 0;
    while ((got = recv(socket_, piece, sizeof(piece), 0)) > 0) {
      all.append(piece, static_cast<size_t>(got));
    }
    return all;
  }

  // Nothing has come, not even the end.
  bool Waits() {
    char byte = 0;
    return recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
  }

 private:
  int socket_;
  bool connected_ = false;
};

class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpLimits limits, HttpServer::Handler handler = nullptr) {
    if (handler == nullptr) {
      handler = [](std::string_view path) {
        return HttpResponse{.content_type = "text/plain",
                            .body = "at " + std::string(path)};
      };
    }
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    port_ = listener->address.port;
    auto started =
        HttpServer::Start(listener->socket, limits, std::move(handler));
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  std::string Ask(const std::string& request) {
    Peer peer(port_);
    peer.Send(request);
    return peer.Rest();
  }

  std::string Get(const std::string& path) {
    return Ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
  }

  uint16_t port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

// No connection comes to its time here: what ends one is something else.
constexpr HttpLimits kPatient = {.connections = 64, .time = hours(1)};

TEST_F(HttpServerTest, APathIsDecodedAndWithoutItsQuestion) {
  Start(kPatient);
  EXPECT_THAT(Get("/some%20where?b=c"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Type: text/plain\r\n"),
                    EndsWith("\r\n\r\nat /some where")));
}

TEST_F(HttpServerTest, HeadIsAnsweredWithoutABody) {
  Start(kPatient);
  EXPECT_THAT(Ask("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, OtherMethodsAreToldWhatIsAnswered) {
  Start(kPatient);
  EXPECT_THAT(
      Ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"),
      AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")));
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsAServerError) {
  Start(kPatient, [](std::string_view path) -> HttpResponse {
    if (path == "/bad") throw std::runtime_error("a secret");
    return {};
  });
  EXPECT_THAT(Get("/bad"),
              AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
  EXPECT_THAT(Get("/good"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, RangesAreNotServed) {
  Start(kPatient, [](std::string_view /*path*/) {
    return HttpResponse{.content_type = "text/plain",
                        .body = std::string(1000, 'x')};
  });
  std::string ranges = "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-";
  for (int i = 0; i < 2000; ++i) ranges += ",0-";
  EXPECT_THAT(Ask(ranges + "\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "),
                    HasSubstr("Content-Length: 1000\r\n")));
}

TEST_F(HttpServerTest, EndlessHeadersAreRefused) {
  Start(kPatient);
  Peer peer(port_);
  ASSERT_TRUE(peer.Send("GET / HTTP/1.1\r\n"));
  size_t sent = 0;
  const std::string line = "A: " + std::string(1000, 'a') + "\r\n";
  // What the kernel has room for is taken without the server.
  while (sent < 64 * kMebibyte && peer.Send(line)) sent += line.size();
  EXPECT_LT(sent, 16 * kMebibyte);
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, SlowHeadersEndInTime) {
  Start({.connections = 64, .time = milliseconds(200)});
  Peer peer(port_);
  ASSERT_TRUE(peer.Send("GET / HTTP/1.1\r\nA: "));
  // A byte keeps a connection alive that is only told to be idle for so long.
  for (int i = 0; i < 30000 && peer.Waits(); ++i) {
    peer.Send("a");
    std::this_thread::sleep_for(milliseconds(2));
  }
  EXPECT_FALSE(peer.Waits()) << "a minute has passed";
}

TEST_F(HttpServerTest, AnAnswerThatIsNotReadEndsInTime) {
  const size_t size = 64 * kMebibyte;
  Start({.connections = 64, .time = milliseconds(200)},
        [size](std::string_view /*path*/) {
          return HttpResponse{.content_type = "text/plain",
                              .body = std::string(size, 'x')};
        });
  Peer peer(port_);
  ASSERT_TRUE(peer.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  std::this_thread::sleep_for(milliseconds(1000));
  EXPECT_THAT(peer.Rest(), SizeIs(testing::Lt(size)));
}

TEST_F(HttpServerTest, OneTooManyEndsTheOldest) {
  Start({.connections = 8, .time = hours(1)});
  std::vector<std::unique_ptr<Peer>> silent;
  for (int i = 0; i < 8; ++i) {
    silent.push_back(std::make_unique<Peer>(port_));
    ASSERT_TRUE(silent.back()->Send("GET / HTTP/1.1\r\n"));
  }
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(silent.front()->Rest(), "");
  EXPECT_TRUE(silent.back()->Waits());
}

TEST_F(HttpServerTest, ManyMoreAreAllServedInTheEnd) {
  Start({.connections = 8, .time = hours(1)});
  std::vector<std::unique_ptr<Peer>> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(std::make_unique<Peer>(port_));
    ASSERT_TRUE(silent.back()->connected());
  }
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ItAcceptsAgainAfterDescriptorsRanOut) {
  Start(kPatient);  // asked nothing yet: it has no descriptor to give back
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit low{std::min<rlim_t>(limit.rlim_cur, 256), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> all;
  int spare = 0;
  while ((spare = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
    all.push_back(spare);
  }
  EXPECT_EQ(errno, EMFILE);
  close(all.back());  // for the client's end
  all.pop_back();
  Peer peer(port_);
  EXPECT_TRUE(peer.connected());
  peer.Send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_TRUE(peer.Waits());
  for (const int fd : all) close(fd);
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_THAT(peer.Rest(), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ItsEndWaitsForNobody) {
  Start(kPatient);
  Peer peer(port_);
  ASSERT_TRUE(peer.Send("GET / HTTP/1.1\r\n"));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  server_.reset();
  EXPECT_EQ(peer.Rest(), "");
}

}  // namespace
}  // namespace backprop
