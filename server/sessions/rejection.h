// SPDX-License-Identifier: Apache-2.0
//
// Errors in the server's own terms: an absl::Status that carries one of
// ErrorInfo's reasons (proto/backprop/v1/training_service.proto) and the field
// violations, if any. rpc_status.h makes wire errors of them.
#ifndef BACKPROP_SERVER_SESSIONS_REJECTION_H_
#define BACKPROP_SERVER_SESSIONS_REJECTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/contract/field_violation.h"

namespace backprop {

// Also the text of ErrorInfo.reason.
inline constexpr std::string_view kSessionNotFound = "SESSION_NOT_FOUND";
inline constexpr std::string_view kSessionHasWriter = "SESSION_HAS_WRITER";
inline constexpr std::string_view kSessionBusy = "SESSION_BUSY";
inline constexpr std::string_view kSessionLimit = "SESSION_LIMIT";
inline constexpr std::string_view kQueueLimit = "QUEUE_LIMIT";
inline constexpr std::string_view kRequestIdReused = "REQUEST_ID_REUSED";
inline constexpr std::string_view kInvalidRequest = "INVALID_REQUEST";
inline constexpr std::string_view kOffsetGap = "OFFSET_GAP";
inline constexpr std::string_view kNonFiniteStep = "NON_FINITE_STEP";
inline constexpr std::string_view kNonFiniteOutput = "NON_FINITE_OUTPUT";
inline constexpr std::string_view kNotReady = "NOT_READY";
inline constexpr std::string_view kStepNotHeld = "STEP_NOT_HELD";
inline constexpr std::string_view kStepNotReached = "STEP_NOT_REACHED";
inline constexpr std::string_view kShuttingDown = "SHUTTING_DOWN";

// reason must be one of the above; it decides the status code.
absl::Status Rejection(std::string_view reason, std::string_view message);
// The same, and the field that it is about: a violation in the details.
absl::Status FieldRejection(std::string_view reason, std::string_view field,
                            std::string_view description);

// INVALID_REQUEST with these violations; at least one.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);
absl::Status InvalidField(std::string_view field, std::string_view description);

// Empty if status carries none.
std::string RejectionReason(const absl::Status& status);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_REJECTION_H_
