// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPS_LISTEN_H_
#define BACKPROP_SERVER_OPS_LISTEN_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "server/options/address.h"

namespace backprop {

struct Listener {
  int socket = -1;   // the caller's; does not block
  HostPort address;  // with the port that the system chose
};

// Listens for TCP at host:port, on the first of the host's addresses that can
// be had; no other process shares the port. kInvalidArgument if there is none,
// with the address and what the system says of it in the message.
absl::StatusOr<Listener> Listen(std::string_view address);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_LISTEN_H_
