// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/call_status.h"

#include <grpcpp/support/status.h>

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cpp/readable_text.h"
#include "google/rpc/error_details.pb.h"

namespace backprop {
namespace {

// Where an absl::Status of ours keeps ErrorInfo.reason.
constexpr char kReasonPayload[] = "backprop.v1/reason";
// ... and its ConnectionFault, as one byte.
constexpr char kFaultPayload[] = "backprop.v1/connection_fault";
// ... and BadRequest, as its bytes.
constexpr char kViolationsPayload[] = "backprop.v1/violations";

// What the status keeps under that name; empty if it has nothing there.
std::string PayloadOf(const absl::Status& status, const char* name) {
  std::string bytes;
  if (const auto payload = status.GetPayload(name); payload.has_value()) {
    absl::CopyCordToString(*payload, &bytes);
  }
  return bytes;
}

absl::StatusCode CodeOf(int code) {
  if (code <= 0 ||
      code > static_cast<int>(absl::StatusCode::kUnauthenticated)) {
    return absl::StatusCode::kUnknown;
  }
  return static_cast<absl::StatusCode>(code);
}

// What went wrong, by the code where nobody says it.
std::string Described(int code, std::string_view message) {
  return message.empty() ? absl::StatusCodeToString(CodeOf(code))
                         : ReadableText(message);
}

// Of a status that no backpropd gave: each of its errors has details.
ConnectionFault FaultOf(const grpc::Status& status) {
  const ConnectionFault fault = ConnectionFaultIn(status.error_message());
  const bool refused =
      status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
      status.error_code() == grpc::StatusCode::PERMISSION_DENIED;
  return fault == ConnectionFault::kNone && refused ? ConnectionFault::kRefused
                                                    : fault;
}

absl::Status FromFault(ConnectionFault fault, const grpc::Status& status) {
  absl::Status result(
      CodeOf(status.error_code()),
      absl::StrCat(MeaningOf(fault), " (",
                   Described(status.error_code(), status.error_message()),
                   ")"));
  result.SetPayload(kFaultPayload,
                    absl::Cord(std::string(1, static_cast<char>(fault))));
  return result;
}

// Appends each violation that the server has not put into its message already.
void AddViolations(const google::rpc::BadRequest& bad_request,
                   std::string* message) {
  for (const auto& violation : bad_request.field_violations()) {
    const std::string text =
        absl::StrCat(violation.field(), ": ", violation.description());
    // "fork.session_id: is required" does not say it of session_id.
    if (!message->starts_with(text) &&
        !absl::StrContains(*message, " " + text)) {
      absl::StrAppend(message, message->empty() ? "" : "; ", text);
    }
  }
}

// The detail, which is of that type; empty and *is_damaged if it is broken.
template <typename Detail>
Detail Unpacked(const google::protobuf::Any& detail, bool* is_damaged) {
  Detail unpacked;
  if (!detail.UnpackTo(&unpacked)) {
    unpacked.Clear();
    *is_damaged = true;
  }
  return unpacked;
}

// A server's status, of which something `is_damaged` besides what is damaged in
// its details.
absl::Status FromServer(const google::rpc::Status& status, bool is_damaged) {
  std::string message = status.message();
  std::string reason;
  std::string violations;
  for (const google::protobuf::Any& detail : status.details()) {
    if (detail.Is<google::rpc::BadRequest>()) {
      const auto bad_request =
          Unpacked<google::rpc::BadRequest>(detail, &is_damaged);
      violations = bad_request.SerializeAsString();
      AddViolations(bad_request, &message);
    } else if (detail.Is<google::rpc::ErrorInfo>()) {
      const auto info = Unpacked<google::rpc::ErrorInfo>(detail, &is_damaged);
      if (info.domain() == "backprop.v1") reason = info.reason();
    }
  }
  message = Described(status.code(), message);
  if (is_damaged) {
    absl::StrAppend(&message,
                    " (what else the server says of it came damaged)");
  }
  absl::Status result(CodeOf(status.code()), message);
  if (!violations.empty()) {
    result.SetPayload(kViolationsPayload, absl::Cord(violations));
  }
  return reason.empty() ? result : WithReason(std::move(result), reason);
}

}  // namespace

absl::Status FromRejection(const google::rpc::Status& status) {
  return FromServer(status, /*is_damaged=*/false);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_details().empty()) {
    if (const ConnectionFault fault = FaultOf(status);
        fault != ConnectionFault::kNone) {
      return FromFault(fault, status);
    }
  }
  google::rpc::Status details;
  const bool is_damaged = !details.ParseFromString(status.error_details());
  if (is_damaged) details.Clear();
  // The call's own code and message are what gRPC enforces.
  details.set_code(status.error_code());
  details.set_message(status.error_message());
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    details.set_message("the server does not offer this call: " +
                        (status.error_message().empty()
                             ? "a newer backpropd is needed"
                             : status.error_message()));
  }
  return FromServer(details, is_damaged);
}

absl::Status WithReason(absl::Status status, std::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason)));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  return PayloadOf(status, kReasonPayload);
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  google::rpc::BadRequest bad_request;
  if (!bad_request.ParseFromString(PayloadOf(status, kViolationsPayload))) {
    return violations;
  }
  for (const auto& violation : bad_request.field_violations()) {
    violations.push_back({violation.field(), violation.description()});
  }
  return violations;
}

ConnectionFault ConnectionFaultOf(const absl::Status& status) {
  const std::string fault = PayloadOf(status, kFaultPayload);
  return fault.empty() ? ConnectionFault::kNone
                       : static_cast<ConnectionFault>(fault[0]);
}

}  // namespace backprop
