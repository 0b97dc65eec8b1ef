// SPDX-License-Identifier: Apache-2.0
#include "server/ops/http_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/ops/metrics.h"
#include "server/ops/readiness_check.h"
#include "server/options/address.h"

namespace backprop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpEndpointTest : public testing::Test {
 protected:
  // Serves at address and fills host_port_.
  void Start(const std::string& address = "127.0.0.1:0") {
    auto started = HttpEndpoint::Start(address, metrics_,
                                       [this] { return ready_.load(); });
    ASSERT_TRUE(started.ok()) << started.status();
    endpoint_ = *std::move(started);
    host_port_ = ParseHostPort(endpoint_->address()).value();
  }

  httplib::Result Get(const std::string& path) {
    httplib::Client client(host_port_.host, host_port_.port);
    return client.Get(path);
  }

  void ExpectAnswer(const std::string& path, int status,
                    const std::string& body) {
    const auto answer = Get(path);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, status);
    EXPECT_EQ(answer->body, body);
  }

  // A connection that says nothing.
  int Connect() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(host_port_.port);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    EXPECT_EQ(
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  Metrics metrics_;
  std::atomic<bool> ready_ = true;
  std::unique_ptr<HttpEndpoint> endpoint_;
  HostPort host_port_;
};

TEST_F(HttpEndpointTest, MetricsAreServedAsPrometheusText) {
  Start();
  metrics_.SessionCreated(7);
  const auto answer = Get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_THAT(answer->get_header_value("Content-Type"),
              StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(answer->body, HasSubstr("\nbackprop_session_weights 7\n"));
}

TEST_F(HttpEndpointTest, HealthIsIndependentOfReadiness) {
  Start();
  ready_ = false;
  ExpectAnswer("/healthz", 200, "ok\n");
}

TEST_F(HttpEndpointTest, ReadinessFollowsTheServer) {
  Start();
  ExpectAnswer("/readyz", 200, "ready\n");
  EXPECT_TRUE(CheckReadiness(endpoint_->address()).ok());
  ready_ = false;
  ExpectAnswer("/readyz", 503, "not ready\n");
  EXPECT_THAT(std::string(CheckReadiness(endpoint_->address()).message()),
              AllOf(HasSubstr("not ready"), HasSubstr("503")));
}

TEST_F(HttpEndpointTest, UnknownPathsNameThePaths) {
  Start();
  const auto answer = Get("/");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_THAT(answer->body, AllOf(HasSubstr("/metrics"), HasSubstr("/healthz"),
                                  HasSubstr("/readyz")));
}

TEST_F(HttpEndpointTest, PortZeroIsReplacedByTheActualPort) {
  Start("127.0.0.1:0");
  EXPECT_EQ(host_port_.host, "127.0.0.1");
  EXPECT_GT(host_port_.port, 0);
}

TEST_F(HttpEndpointTest, Ipv6IsServedAndWrittenInBrackets) {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  const bool has_ipv6 =
      fd >= 0 &&
      bind(fd, reinterpret_cast<sockaddr*>(&loopback), sizeof(loopback)) == 0;
  close(fd);
  if (!has_ipv6) GTEST_SKIP() << "this machine has no IPv6 loopback";
  Start("[::1]:0");
  EXPECT_THAT(endpoint_->address(), StartsWith("[::1]:"));
  EXPECT_TRUE(CheckReadiness(endpoint_->address()).ok());
}

TEST_F(HttpEndpointTest, AllInterfacesAreCheckedThroughLoopback) {
  Start("0.0.0.0:0");
  EXPECT_TRUE(CheckReadiness(endpoint_->address()).ok());
}

TEST_F(HttpEndpointTest, ATakenPortIsAnErrorThatNamesTheFlag) {
  Start();
  const auto second =
      HttpEndpoint::Start(endpoint_->address(), metrics_, [] { return true; });
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr("--http-address"),
                    HasSubstr(endpoint_->address()), HasSubstr("in use")));
}

TEST_F(HttpEndpointTest, AMalformedOrForeignAddressIsAnError) {
  for (const char* bad : {"nonsense", "127.0.0.1:x", "203.0.113.1:0"}) {
    const auto started =
        HttpEndpoint::Start(bad, metrics_, [] { return true; });
    ASSERT_FALSE(started.ok()) << bad;
    EXPECT_THAT(std::string(started.status().message()),
                AllOf(HasSubstr("--http-address"), HasSubstr(bad)));
  }
}

TEST_F(HttpEndpointTest, IdleConnectionsDoNotBlockHealthChecks) {
  Start();
  std::vector<int> idle;
  for (int i = 0; i < 4; ++i) idle.push_back(Connect());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(CheckReadiness(endpoint_->address()).ok());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  for (const int fd : idle) close(fd);
}

TEST_F(HttpEndpointTest, AnAnsweredConnectionIsClosed) {
  Start();
  const int fd = Connect();
  const std::string request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_EQ(write(fd, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  const timeval patience{.tv_sec = 3, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  std::string answer;
  char piece[512];
  ssize_t got = 0;
  while ((got = read(fd, piece, sizeof(piece))) > 0) {
    answer.append(piece, static_cast<size_t>(got));
  }
  EXPECT_EQ(got, 0) << "the server did not close the connection";
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  close(fd);
}

TEST_F(HttpEndpointTest, NobodyAnswersAfterItsEnd) {
  Start();
  const std::string address = endpoint_->address();
  endpoint_.reset();
  EXPECT_EQ(CheckReadiness(address).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace backprop
