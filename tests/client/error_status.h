// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_CLIENT_ERROR_STATUS_H_
#define BACKPROP_TESTS_CLIENT_ERROR_STATUS_H_

#include <string>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace backprop::testing {

// Fields, each with what is wrong with it.
using Violations = std::vector<std::pair<std::string, std::string>>;

// An error as the protocol has it, without code and message. Its first detail
// are the violations, where there are any.
inline google::rpc::Status ErrorStatus(const std::string& reason,
                                       const Violations& violations = {}) {
  google::rpc::Status status;
  google::rpc::BadRequest bad;
  for (const auto& [field, description] : violations) {
    auto* added = bad.add_field_violations();
    added->set_field(field);
    added->set_description(description);
  }
  if (!violations.empty()) status.add_details()->PackFrom(bad);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("backprop.v1");
  status.add_details()->PackFrom(info);
  return status;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_CLIENT_ERROR_STATUS_H_
