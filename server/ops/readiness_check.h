// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OPS_READINESS_CHECK_H_
#define BACKPROP_SERVER_OPS_READINESS_CHECK_H_

#include <string>

#include "absl/status/status.h"

namespace backprop {

// Asks a running server's /readyz, for at most a few seconds; OK if it answers
// 200. http_address: as its --http-address; where that is "all interfaces",
// loopback is asked. kUnavailable otherwise, the message says why.
absl::Status CheckReadiness(const std::string& http_address);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_READINESS_CHECK_H_
