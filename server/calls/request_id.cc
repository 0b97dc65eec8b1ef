// SPDX-License-Identifier: Apache-2.0
#include "server/calls/request_id.h"

#include "absl/strings/str_cat.h"
#include "engine/contract/digest.h"
#include "server/sessions/rejection.h"

namespace backprop {

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.size() <= kLongestRequestId) return absl::OkStatus();
  return InvalidField(
      "request_id", absl::StrCat("has ", request_id.size(), " bytes; at most ",
                                 kLongestRequestId));
}

RequestKey KeyOf(std::string_view method, const std::string& request_id,
                 const google::protobuf::MessageLite& request) {
  if (request_id.empty()) return {};
  return {request_id, DigestOfBytes(absl::StrCat(std::string(method), "/",
                                                 request.SerializeAsString()))};
}

}  // namespace backprop
