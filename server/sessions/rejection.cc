// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/rejection.h"

#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace backprop {
namespace {

// Not string_view: Debian's absl::string_view is a type of its own.
constexpr char kReasonPayload[] = "backprop/reason";
constexpr char kViolationsPayload[] = "backprop/violations";
// Neither field paths nor our descriptions hold a NUL.
constexpr char kSeparator = '\0';

struct CodeOfReason {
  std::string_view reason;
  absl::StatusCode code;
};

constexpr std::array<CodeOfReason, 14> kCodes = {{
    {kSessionNotFound, absl::StatusCode::kNotFound},
    {kSessionHasWriter, absl::StatusCode::kFailedPrecondition},
    {kSessionBusy, absl::StatusCode::kFailedPrecondition},
    {kSessionLimit, absl::StatusCode::kResourceExhausted},
    {kQueueLimit, absl::StatusCode::kResourceExhausted},
    {kRequestIdReused, absl::StatusCode::kAlreadyExists},
    {kInvalidRequest, absl::StatusCode::kInvalidArgument},
    {kOffsetGap, absl::StatusCode::kOutOfRange},
    {kNonFiniteStep, absl::StatusCode::kFailedPrecondition},
    {kNonFiniteOutput, absl::StatusCode::kFailedPrecondition},
    {kNotReady, absl::StatusCode::kFailedPrecondition},
    {kStepNotHeld, absl::StatusCode::kOutOfRange},
    {kStepNotReached, absl::StatusCode::kOutOfRange},
    {kShuttingDown, absl::StatusCode::kUnavailable},
}};

absl::Status WithViolations(std::string_view reason,
                            const std::vector<FieldViolation>& violations) {
  std::string message;
  std::string payload;
  for (const FieldViolation& violation : violations) {
    absl::StrAppend(&message, message.empty() ? "" : "; ", violation.field,
                    ": ", violation.description);
    absl::StrAppend(&payload, violation.field);
    payload.push_back(kSeparator);
    absl::StrAppend(&payload, violation.description);
    payload.push_back(kSeparator);
  }
  absl::Status status = Rejection(reason, message);
  status.SetPayload(kViolationsPayload, absl::Cord(payload));
  return status;
}

}  // namespace

absl::Status Rejection(std::string_view reason, std::string_view message) {
  absl::StatusCode code = absl::StatusCode::kInternal;
  for (const CodeOfReason& entry : kCodes) {
    if (entry.reason == reason) code = entry.code;
  }
  absl::Status status(code, std::string(message));
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason)));
  return status;
}

absl::Status FieldRejection(std::string_view reason, std::string_view field,
                            std::string_view description) {
  return WithViolations(reason,
                        {{std::string(field), std::string(description)}});
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  return WithViolations(kInvalidRequest, violations);
}

absl::Status InvalidField(std::string_view field,
                          std::string_view description) {
  return FieldRejection(kInvalidRequest, field, description);
}

std::string RejectionReason(const absl::Status& status) {
  const auto payload = status.GetPayload(kReasonPayload);
  return payload ? std::string(*payload) : std::string();
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kViolationsPayload);
  if (!payload) return violations;
  const std::string text(*payload);
  const std::vector<std::string> parts = absl::StrSplit(text, kSeparator);
  for (size_t i = 0; i + 1 < parts.size(); i += 2) {
    violations.push_back({parts[i], parts[i + 1]});
  }
  return violations;
}

}  // namespace backprop
