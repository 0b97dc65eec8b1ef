// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/call_status.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
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

// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with
// none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  // These bounds keep out overlong forms, surrogates, and what is no Unicode.
  const unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// `text` with U+FFFD for each byte that is no UTF-8, and for control characters
// such as those that a terminal obeys.
std::string Readable(std::string_view text) {
  std::string readable;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const bool obeyed =
        absl::ascii_iscntrl(first) && first != '\n' && first != '\t';
    const size_t length = obeyed ? 0 : SequenceLength(text);
    readable += length > 0 ? text.substr(0, length) : "\xEF\xBF\xBD";
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return readable;
}

// What went wrong, by the code where nobody says it.
std::string Described(int code, std::string_view message) {
  return message.empty() ? absl::StatusCodeToString(CodeOf(code))
                         : Readable(message);
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
    if (message->find(text) == std::string::npos) {
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
