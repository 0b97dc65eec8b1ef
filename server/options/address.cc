// SPDX-License-Identifier: Apache-2.0
#include "server/options/address.h"

#include <charconv>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace backprop {

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const auto malformed = [text] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::string_view(text.data(), text.size()),
                     "\" is not host:port with a port from 0 to 65535, such as "
                     "127.0.0.1:50051 or [::1]:50051"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed();  // ::1:80 could be read in two ways
  }
  if (host.empty() || host.find_first_of("[]/ ") != std::string_view::npos) {
    return malformed();
  }
  HostPort address{.host = std::string(host)};
  const auto [end, error] =
      std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return malformed();
  }
  return address;
}

std::string FormatHostPort(const HostPort& address) {
  const bool ipv6 = address.host.find(':') != std::string::npos;
  return ipv6 ? absl::StrCat("[", address.host, "]:", address.port)
              : absl::StrCat(address.host, ":", address.port);
}

}  // namespace backprop
