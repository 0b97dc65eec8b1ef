// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPTIONS_ADDRESS_H_
#define BACKPROP_SERVER_OPTIONS_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace backprop {

struct HostPort {
  std::string host;   // a name or number; IPv6 without its brackets
  uint16_t port = 0;  // 0 where the system shall choose
};

// Reads host:port, IPv6 as [::1]:50051. kInvalidArgument with the expected form
// in the message. Nothing is resolved.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// The inverse.
std::string FormatHostPort(const HostPort& address);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPTIONS_ADDRESS_H_
