// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/call_status.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace backprop {
namespace {

google::rpc::Status Refused() {
  google::rpc::Status status;
  status.set_code(3);
  status.set_message("the request is not valid");
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("spec.layers[1].size");
  violation->set_description("must be at least 1");
  status.add_details()->PackFrom(bad);
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_REQUEST");
  info.set_domain("backprop.v1");
  status.add_details()->PackFrom(info);
  return status;
}

TEST(CallStatusTest, MessageNamesEachFieldAtFault) {
  const absl::Status status = FromGrpc(
      grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                   "the request is not valid", Refused().SerializeAsString()));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      std::string(status.message()),
      "the request is not valid; spec.layers[1].size: must be at least 1");
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
}

TEST(CallStatusTest, ViolationThatTheMessageHoldsIsNotRepeated) {
  google::rpc::Status refused = Refused();
  refused.set_message("spec.layers[1].size: must be at least 1");
  EXPECT_EQ(std::string(FromRejection(refused).message()),
            "spec.layers[1].size: must be at least 1");
}

TEST(CallStatusTest, DetailsThatAreNoneAreIgnored) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused",
                            "\xff\xff no proto"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(status.message()), "connection refused");
  EXPECT_EQ(ReasonOf(status), "");
}

TEST(CallStatusTest, RejectionIsNeverOk) {
  google::rpc::Status status;
  EXPECT_EQ(FromRejection(status).code(), absl::StatusCode::kUnknown);
  status.set_code(99);
  EXPECT_EQ(FromRejection(status).code(), absl::StatusCode::kUnknown);
}

TEST(CallStatusTest, OkStaysOk) { EXPECT_TRUE(FromGrpc(grpc::Status()).ok()); }

TEST(FromGrpcTest, CallThatTheServerDoesNotOfferSaysWhatIsNeeded) {
  EXPECT_EQ(
      FromGrpc(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "")).message(),
      "the server does not offer this call: a newer backpropd is needed");
}

}  // namespace
}  // namespace backprop
