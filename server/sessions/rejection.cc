// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/rejection.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace backprop {
namespace {

// Not string_view: Debian's absl::string_view is a type of its own.
constexpr char kReasonPayload[] = "backprop.v1/reason";
constexpr char kViolationsPayload[] = "backprop.v1/violations";
// Neither field paths nor our descriptions hold a NUL.
constexpr char kSeparator = '\0';

absl::Status WithViolations(const ErrorReason& reason,
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

absl::Status Rejection(const ErrorReason& reason, std::string_view message) {
  absl::Status status(reason.code, std::string(message));
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason.name)));
  return status;
}

absl::Status FieldRejection(const ErrorReason& reason, std::string_view field,
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

std::string ReasonOf(const absl::Status& status) {
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
