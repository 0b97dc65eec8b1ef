// SPDX-License-Identifier: Apache-2.0
//
// Errors in the server's own terms: an absl::Status that carries one of the
// protocol's reasons (ErrorReason in proto/backprop/v1/training_service.proto,
// whose values are kOffsetGap and so on here) and the field violations, if any.
// translation/rpc_status.h makes wire errors of them.
#ifndef BACKPROP_SERVER_SESSIONS_REJECTION_H_
#define BACKPROP_SERVER_SESSIONS_REJECTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "backprop/v1/error_reasons.h"
#include "engine/contract/field_violation.h"

namespace backprop {

// The reason decides the status code.
absl::Status Rejection(const ErrorReason& reason, std::string_view message);
// The same, and the field that it is about: a violation in the details.
absl::Status FieldRejection(const ErrorReason& reason, std::string_view field,
                            std::string_view description);

// INVALID_REQUEST with these violations; at least one.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);
absl::Status InvalidField(std::string_view field, std::string_view description);

// The reason's name, e.g. "OFFSET_GAP"; empty if status carries none.
std::string ReasonOf(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_REJECTION_H_
