// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/plain_text_warning.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace backprop::cli {
namespace {

// Of an address as gRPC takes it: host:port, [IPv6]:port, either behind a
// scheme. Another form gives something that is no host.
std::string HostOf(absl::string_view address) {
  for (const char* scheme : {"dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&address, scheme)) break;
  }
  absl::ConsumePrefix(&address, "///");
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return std::string(host);
}

// Whether what is sent there never leaves this machine.
bool StaysHere(const std::string& address) {
  if (address.starts_with("unix:") || address.starts_with("unix-abstract:")) {
    return true;
  }
  const std::string host = HostOf(address);
  in_addr four{};
  in6_addr six{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
  }
  if (inet_pton(AF_INET6, host.c_str(), &six) == 1) {
    return IN6_IS_ADDR_LOOPBACK(&six);
  }
  return absl::EqualsIgnoreCase(host, "localhost");
}

}  // namespace

std::string PlainTextWarning(const GlobalFlags& global) {
  const Metadata& metadata = global.client.metadata;
  const bool token =
      std::any_of(metadata.begin(), metadata.end(), [](const auto& pair) {
        return absl::EqualsIgnoreCase(pair.first, "authorization");
      });
  if (!token || global.client.tls.has_value() || StaysHere(global.address)) {
    return "";
  }
  return absl::StrCat(
      "backprop: warning: the authorization in the metadata goes to ",
      global.address,
      " as plain text, which everybody on the way can read: add --tls if the "
      "server speaks it\n");
}

}  // namespace backprop::cli
