// SPDX-License-Identifier: Apache-2.0
//
// Connections that are silent for long: the dead are let go, the living kept.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"
#include "tests/server_process.h"

namespace backprop::testing {
namespace {

using std::chrono::seconds;

// The server asks after 30 s and waits 10 s for the answer.
constexpr seconds kLongestSilence(40);
constexpr seconds kSlack(10);

// A client that speaks HTTP/2 once and then falls silent, as one does whose
// network is lost: it answers neither the server's settings nor its pings.
class SilentPeer {
 public:
  explicit SilentPeer(const std::string& address) {
    const size_t colon = address.rfind(':');
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port =
        htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // Preface and an empty SETTINGS frame (RFC 9113, 3.4 and 6.5).
    const std::string hello(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        "\0\0\0\4\0\0\0\0\0",
        33);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&peer),
                         sizeof peer) == 0 &&
                 write(socket_, hello.data(), hello.size()) ==
                     static_cast<ssize_t>(hello.size());
  }
  ~SilentPeer() { close(socket_); }

  bool connected() const { return connected_; }

  // Reads until the server hangs up or the limit is over.
  bool IsClosedWithin(seconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < deadline) {
      pollfd ready{socket_, POLLIN, 0};
      if (poll(&ready, 1, 100) <= 0) continue;
      char buffer[4096];
      if (read(socket_, buffer, sizeof buffer) <= 0) return true;
    }
    return false;
  }

 private:
  int socket_ = -1;
  bool connected_ = false;
};

// One test for both, as each takes most of a minute.
TEST(KeepaliveTest, ADeadConnectionIsClosedAndOneThatPingsIsKept) {
  const auto process = ServerProcess::Start(
      BACKPROPD, {"--grpc-address=127.0.0.1:0", "--http-address=127.0.0.1:0"});
  ASSERT_NE(process, nullptr);
  const SilentPeer silent(process->grpc_address());
  ASSERT_TRUE(silent.connected());

  // As often as the server allows; without that it would send GOAWAY
  // (too_many_pings) at the third and the stream would break.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 11'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const auto stub = v1::TrainingService::NewStub(grpc::CreateCustomChannel(
      process->grpc_address(), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  v1::CreateSessionRequest request;
  *request.mutable_spec() = Spec(4, {2});
  v1::CreateSessionResponse created;
  ASSERT_TRUE(stub->CreateSession(&context, request, &created).ok());
  TrainCall call(*stub, created.session().session_id());

  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(silent.IsClosedWithin(kLongestSilence + kSlack));
  EXPECT_GT(std::chrono::steady_clock::now() - begin, seconds(25))
      << "closed before it could be called dead";
  std::this_thread::sleep_until(begin + kLongestSilence + kSlack);
  std::mt19937 random(1);
  EXPECT_EQ(call.Exchange(RandomSamples(created.session(), 1, random)).step(),
            1u);
  EXPECT_TRUE(call.Finish().ok());
}

}  // namespace
}  // namespace backprop::testing
