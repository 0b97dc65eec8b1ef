// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/call_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/client/error_status.h"

namespace backprop {
namespace {

using ::testing::IsEmpty;
using ::testing::StartsWith;

google::rpc::Status Refused() {
  google::rpc::Status status = testing::ErrorStatus(
      "INVALID_REQUEST", {{"spec.layers[1].size", "must be at least 1"}});
  status.set_code(3);
  status.set_message("the request is not valid");
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

constexpr char kDamaged[] = " (what else the server says of it came damaged)";

TEST(CallStatusTest, OfDamagedDetailsCodeAndMessageAreLeft) {
  const std::string whole = Refused().SerializeAsString();
  for (const std::string& details :
       {std::string("\xff\xff no proto"), whole.substr(0, whole.size() - 1)}) {
    const absl::Status status = FromGrpc(grpc::Status(
        grpc::StatusCode::UNAVAILABLE, "connection refused", details));
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(status.message(), absl::StrCat("connection refused", kDamaged));
    EXPECT_EQ(ReasonOf(status), "");
    EXPECT_THAT(ViolationsOf(status), IsEmpty());
  }
}

// As protobuf judges it, which takes no string that is not.
bool IsUtf8(const std::string& text) {
  google::rpc::Status status;
  status.set_message(text);
  return status.ParseFromString(status.SerializeAsString());
}

// Every byte of a real status turned over, one after the other.
TEST(CallStatusTest, WhateverIsDamagedTheErrorIsOneThatCanBeRead) {
  ASSERT_FALSE(IsUtf8("\xff"));
  const std::string whole = Refused().SerializeAsString();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string details = whole;
    details[i] = static_cast<char>(~details[i]);
    const absl::Status status = FromGrpc(
        grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "not valid", details));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), StartsWith("not valid"));
    EXPECT_TRUE(IsUtf8(std::string(status.message()))) << i;
  }
}

TEST(CallStatusTest, ADetailThatIsDamagedLeavesTheOthers) {
  google::rpc::Status refused = Refused();
  // The violation's field is no UTF-8.
  refused.mutable_details(0)->mutable_value()->replace(4, 1, "\xff");
  const absl::Status status = FromRejection(refused);
  EXPECT_EQ(status.message(),
            absl::StrCat("the request is not valid", kDamaged));
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  EXPECT_THAT(ViolationsOf(status), IsEmpty());
}

// Unicode's own examples of what ends a sequence (The Unicode Standard, 3.9,
// tables 3-8 to 3-11), and what a terminal would obey.
TEST(CallStatusTest, BytesThatAreNoTextAreReplacedOneByOne) {
  const struct {
    std::string said, told;
  } rows[] = {
      {"\xC0\xAF\xE0\x80\xBFx", "?????x"},
      {"\xED\xA0\x80\xED\xBF\xBFx", "??????x"},
      {"\xF4\x90\x80\x80\xF8\xFFx", "??????x"},
      {"\xE1\x80 \xF0\x91\x92 \xF1\xBF", "?? ??? ??"},
      {"\x1B[2Ja\x7F\r\n\tb", "?[2Ja??\n\tb"},
      {"\xC2\x9B"
       "31m \xC2\x80 \xC2\x9F \xC2",
       "?31m ? ? ?"},
      {"\xC2\xA0 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEF\xBF\xBF "
       "\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF",
       "\xC2\xA0 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEF\xBF\xBF "
       "\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF"},
  };
  for (const auto& row : rows) {
    const grpc::Status status(grpc::StatusCode::INTERNAL, row.said);
    EXPECT_EQ(FromGrpc(status).message(),
              absl::StrReplaceAll(row.told, {{"?", "\xEF\xBF\xBD"}}));
  }
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "\xff"))
                .message(),
            "a proxy did not let the call pass (\xEF\xBF\xBD)");
}

TEST(CallStatusTest, AnErrorWithoutAMessageIsToldByItsCode) {
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "")).message(),
            "INTERNAL");
  EXPECT_EQ(
      FromGrpc(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "")).message(),
      "a proxy did not let the call pass (UNAUTHENTICATED)");
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
