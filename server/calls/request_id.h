// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_CALLS_REQUEST_ID_H_
#define BACKPROP_SERVER_CALLS_REQUEST_ID_H_

#include <google/protobuf/message_lite.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/sessions/done_requests.h"

namespace backprop {

// INVALID_REQUEST for one that is too long.
absl::Status CheckRequestId(std::string_view request_id);

// Of a checked request_id and all that this method's request holds. The same in
// every process.
RequestKey KeyOf(std::string_view method, const std::string& request_id,
                 const google::protobuf::MessageLite& request);

}  // namespace backprop

#endif  // BACKPROP_SERVER_CALLS_REQUEST_ID_H_
