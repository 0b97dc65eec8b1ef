// SPDX-License-Identifier: Apache-2.0
//
// What the status of a call, or of a rejection, says by the protocol.
#ifndef BACKPROP_TESTS_SERVER_STATUS_MATCHERS_H_
#define BACKPROP_TESTS_SERVER_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <string>
#include <vector>

#include "google/rpc/status.pb.h"

namespace backprop::testing {

// ErrorInfo.reason of a call's or a rejection's status; empty if none.
std::string Reason(const google::rpc::Status& status);
std::string Reason(const grpc::Status& status);
// The fields of its BadRequest, in order.
std::vector<std::string> Fields(const google::rpc::Status& status);
std::vector<std::string> Fields(const grpc::Status& status);

// All that it says, for a test's failure.
std::string Told(const google::rpc::Status& status);
std::string Told(const grpc::Status& status);

inline int CodeOf(const google::rpc::Status& status) { return status.code(); }
inline int CodeOf(const grpc::Status& status) { return status.error_code(); }

// EXPECT_THAT(status, Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND")).
MATCHER_P2(Fails, code, reason, "") {
  *result_listener << Told(arg);
  return CodeOf(arg) == static_cast<int>(code) && Reason(arg) == reason;
}

// EXPECT_THAT(status, IsInvalid(ElementsAre("spec.loss"))): an invalid request,
// with the matcher for its fields.
MATCHER_P(IsInvalid, fields,
          "is an invalid request over fields like: " +
              ::testing::DescribeMatcher<std::vector<std::string>>(fields,
                                                                   negation)) {
  *result_listener << Told(arg);
  return CodeOf(arg) == static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT) &&
         Reason(arg) == "INVALID_REQUEST" &&
         ::testing::Matches(fields)(Fields(arg));
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STATUS_MATCHERS_H_
