// SPDX-License-Identifier: Apache-2.0
//
// The one place where the server's errors become the wire's.
#ifndef BACKPROP_SERVER_TRANSLATION_RPC_STATUS_H_
#define BACKPROP_SERVER_TRANSLATION_RPC_STATUS_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace backprop {

// With ErrorInfo and BadRequest in the details, where status carries them.
google::rpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_RPC_STATUS_H_
