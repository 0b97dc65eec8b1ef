// SPDX-License-Identifier: Apache-2.0
#include "tests/client/cpp/http2_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace backprop::testing {
namespace {

// RFC 9113, 4.1 and 6: length (3 bytes), type, flags, stream (4 bytes).
constexpr size_t kPrefaceBytes = 24;
constexpr size_t kHeaderBytes = 9;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kPing = 6;
constexpr uint8_t kAck = 1;

int Listen() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 ||
      listen(listener, 1) != 0)
    std::abort();
  return listener;
}

bool Send(int connection, uint8_t type, uint8_t flags,
          const std::string& payload) {
  std::string frame = {0,
                       0,
                       static_cast<char>(payload.size()),
                       static_cast<char>(type),
                       static_cast<char>(flags),
                       0,
                       0,
                       0,
                       0};
  frame += payload;
  return send(connection, frame.data(), frame.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(frame.size());
}

}  // namespace

Http2Peer::Http2Peer() : listener_(Listen()), thread_([this] { Serve(); }) {}

Http2Peer::~Http2Peer() {
  stopping_ = true;
  thread_.join();
  close(listener_);
}

std::string Http2Peer::address() const {
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size);
  return "127.0.0.1:" + std::to_string(ntohs(bound.sin_port));
}

void Http2Peer::Serve() {
  int connection = -1;
  std::string unread;
  bool greeted = false;
  while (!stopping_) {
    pollfd ready{connection < 0 ? listener_ : connection, POLLIN, 0};
    if (poll(&ready, 1, 50) <= 0) continue;
    if (connection < 0) {
      connection = accept(listener_, nullptr, nullptr);
      Send(connection, kSettings, 0, "");
      continue;
    }
    char buffer[4096];
    const ssize_t count = read(connection, buffer, sizeof buffer);
    if (count <= 0) break;
    unread.append(buffer, static_cast<size_t>(count));
    if (!greeted && unread.size() >= kPrefaceBytes) {
      unread.erase(0, kPrefaceBytes);
      greeted = true;
    }
    while (greeted && unread.size() >= kHeaderBytes) {
      const auto byte = [&](size_t i) {
        return static_cast<uint8_t>(unread[i]);
      };
      const size_t length = size_t{byte(0)} << 16 | byte(1) << 8 | byte(2);
      if (unread.size() < kHeaderBytes + length) break;
      const std::string payload = unread.substr(kHeaderBytes, length);
      if ((byte(4) & kAck) == 0 && byte(3) == kSettings)
        Send(connection, kSettings, kAck, "");
      if ((byte(4) & kAck) == 0 && byte(3) == kPing) {
        Send(connection, kPing, kAck, payload);
        ++pings_;
      }
      unread.erase(0, kHeaderBytes + length);
    }
  }
  if (connection >= 0) close(connection);
}

}  // namespace backprop::testing
