// SPDX-License-Identifier: Apache-2.0
//
// The server's errors as absl::Status: the same code, and a message that also
// says which fields were at fault, e.g.
//   the request is not valid; spec.layers[1].size: must be at least 1
// and what lies between a client and its server, as connection_fault.h tells
// it. A message is UTF-8 without control characters other than newlines and
// tabs, and never empty, whatever came; it says so where details of the error
// were damaged on their way, which then give no reason or no fields. Reason and
// fields are as the server sent them.
#ifndef BACKPROP_CLIENT_CPP_CALL_STATUS_H_
#define BACKPROP_CLIENT_CPP_CALL_STATUS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/connection_fault.h"
#include "client/cpp/grpc_types.h"
#include "engine/contract/field_violation.h"
#include "google/rpc/status.pb.h"

namespace backprop {

// How a call ended.
absl::Status FromGrpc(const grpc::Status& status);

// TrainResponse.rejection.
absl::Status FromRejection(const google::rpc::Status& status);

// One of the protocol's reasons (ErrorReason), e.g. "SESSION_NOT_FOUND"; empty
// if the status did not come from a backpropd.
std::string ReasonOf(const absl::Status& status);

// The fields that a backpropd found at fault; empty if it named none.
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

// Why the call did not get through, if it is known; the message says it too.
ConnectionFault ConnectionFaultOf(const absl::Status& status);

// The same status with this reason: for what a backpropd says by other means
// than an error, such as its goodbye. status must not be OK.
absl::Status WithReason(absl::Status status, std::string_view reason);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_CALL_STATUS_H_
