// SPDX-License-Identifier: Apache-2.0
#include "tests/server/status_matchers.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace backprop::testing {
namespace {

// The status that travels in grpc-status-details-bin.
google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), static_cast<int>(status.error_code()));
  return details;
}

}  // namespace

std::string Reason(const google::rpc::Status& status) {
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::ErrorInfo info;
    if (!detail.UnpackTo(&info)) continue;
    EXPECT_EQ(info.domain(), "backprop.v1");
    return info.reason();
  }
  return "";
}

std::vector<std::string> Fields(const google::rpc::Status& status) {
  std::vector<std::string> fields;
  for (const google::protobuf::Any& detail : status.details()) {
    google::rpc::BadRequest bad;
    if (!detail.UnpackTo(&bad)) continue;
    for (const auto& violation : bad.field_violations()) {
      EXPECT_NE(violation.description(), "");
      fields.push_back(violation.field());
    }
  }
  return fields;
}

std::string Reason(const grpc::Status& status) {
  return Reason(Details(status));
}

std::vector<std::string> Fields(const grpc::Status& status) {
  return Fields(Details(status));
}

std::string Told(const google::rpc::Status& status) {
  return status.ShortDebugString();
}

std::string Told(const grpc::Status& status) {
  return status.error_message() + ": " + Details(status).ShortDebugString();
}

}  // namespace backprop::testing
