// SPDX-License-Identifier: Apache-2.0
#include "server/translation/rpc_status.h"

#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "server/sessions/rejection.h"

namespace backprop {
namespace {

constexpr char kDomain[] = "backprop.v1";
// Some proxies and clients drop trailers beyond 8 KiB: leave off violations
// rather than lose the whole status.
constexpr size_t kMostViolations = 16;
constexpr size_t kLongestMessage = 1024;

// Never cuts within a UTF-8 sequence: protobuf refuses strings that are not
// UTF-8, and the client would lose the whole status.
std::string Shortened(std::string message) {
  if (message.size() <= kLongestMessage) return message;
  size_t end = kLongestMessage;
  while (end > 0 && (message[end] & 0xC0) == 0x80) --end;
  message.resize(end);
  return message;
}

}  // namespace

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(Shortened(std::string(status.message())));
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain(kDomain);
    proto.add_details()->PackFrom(info);
  }
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  if (!violations.empty()) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& violation : violations) {
      if (bad.field_violations_size() == kMostViolations) break;
      auto* added = bad.add_field_violations();
      added->set_field(violation.field);
      added->set_description(violation.description);
    }
    proto.add_details()->PackFrom(bad);
  }
  return proto;
}

}  // namespace backprop
