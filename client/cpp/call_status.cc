// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/call_status.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"

namespace backprop {
namespace {

// Where an absl::Status of ours keeps ErrorInfo.reason.
constexpr char kReasonPayload[] = "backprop.v1/reason";
// ... and its ConnectionFault, as one byte.
constexpr char kFaultPayload[] = "backprop.v1/connection_fault";
// ... and BadRequest, as its bytes.
constexpr char kViolationsPayload[] = "backprop.v1/violations";

absl::StatusCode CodeOf(int code) {
  if (code <= 0 ||
      code > static_cast<int>(absl::StatusCode::kUnauthenticated)) {
    return absl::StatusCode::kUnknown;
  }
  return static_cast<absl::StatusCode>(code);
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
      absl::StrCat(MeaningOf(fault), " (", status.error_message(), ")"));
  result.SetPayload(kFaultPayload,
                    absl::Cord(std::string(1, static_cast<char>(fault))));
  return result;
}

}  // namespace

absl::Status FromRejection(const google::rpc::Status& status) {
  std::string message = status.message();
  std::string reason;
  std::string violations;
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::ErrorInfo info;
    if (detail.Is<google::rpc::BadRequest>() && detail.UnpackTo(&bad_request)) {
      violations = bad_request.SerializeAsString();
      for (const auto& violation : bad_request.field_violations()) {
        // A server may have put the violation into its message already.
        std::string text =
            absl::StrCat(violation.field(), ": ", violation.description());
        if (message.find(text) == std::string::npos) {
          absl::StrAppend(&message, message.empty() ? "" : "; ", text);
        }
      }
    } else if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info) &&
               info.domain() == "backprop.v1") {
      reason = info.reason();
    }
  }
  absl::Status result(CodeOf(status.code()), message);
  if (!violations.empty()) {
    result.SetPayload(kViolationsPayload, absl::Cord(violations));
  }
  return reason.empty() ? result : WithReason(std::move(result), reason);
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
  if (!details.ParseFromString(status.error_details())) details.Clear();
  // The call's own code and message are what gRPC enforces.
  details.set_code(status.error_code());
  details.set_message(status.error_message());
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    details.set_message("the server does not offer this call: " +
                        (status.error_message().empty()
                             ? "a newer backpropd is needed"
                             : status.error_message()));
  }
  return FromRejection(details);
}

absl::Status WithReason(absl::Status status, std::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(std::string(reason)));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  auto payload = status.GetPayload(kReasonPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  const auto payload = status.GetPayload(kViolationsPayload);
  google::rpc::BadRequest bad_request;
  if (!payload.has_value() ||
      !bad_request.ParseFromString(std::string(*payload))) {
    return violations;
  }
  for (const auto& violation : bad_request.field_violations()) {
    violations.push_back({violation.field(), violation.description()});
  }
  return violations;
}

ConnectionFault ConnectionFaultOf(const absl::Status& status) {
  auto payload = status.GetPayload(kFaultPayload);
  return payload.has_value()
             ? static_cast<ConnectionFault>(std::string(*payload).at(0))
             : ConnectionFault::kNone;
}

}  // namespace backprop
