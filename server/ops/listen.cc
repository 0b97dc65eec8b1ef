// SPDX-License-Identifier: Apache-2.0
#include "server/ops/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

// Connections that wait to be accepted.
constexpr int kBacklog = 128;

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> Resolve(const HostPort& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(),
                  &hints, &found);
  if (failed != 0) return absl::InvalidArgumentError(gai_strerror(failed));
  return Addresses(found, freeaddrinfo);
}

void Set(int socket, int level, int option, int value) {
  setsockopt(socket, level, option, &value, sizeof(value));
}

// -1 with errno where it can't.
int ListenAt(const addrinfo& at) {
  const int socket =
      ::socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return -1;
  Set(socket, SOL_SOCKET, SO_REUSEADDR, 1);  // one that ended leaves it at once
  if (at.ai_family == AF_INET6) Set(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (bind(socket, at.ai_addr, at.ai_addrlen) == 0 &&
      listen(socket, kBacklog) == 0) {
    return socket;
  }
  const int error = errno;
  close(socket);
  errno = error;
  return -1;
}

uint16_t PortOf(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size);
  // The port stands at the same place in both.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

absl::Status CantListen(std::string_view address, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot listen on ", std::string(address), ": ", std::string(why)));
}

}  // namespace

absl::StatusOr<Listener> Listen(std::string_view address) {
  absl::StatusOr<HostPort> wanted = ParseHostPort(address);
  if (!wanted.ok()) return wanted.status();
  const absl::StatusOr<Addresses> found = Resolve(*wanted);
  if (!found.ok()) {
    return CantListen(address, std::string(found.status().message()));
  }
  int error = 0;
  for (const addrinfo* at = found->get(); at != nullptr; at = at->ai_next) {
    const int socket = ListenAt(*at);
    if (socket >= 0) {
      wanted->port = PortOf(socket);
      return Listener{socket, *wanted};
    }
    error = errno;
  }
  return CantListen(address, std::strerror(error));
}

}  // namespace backprop
