// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace backprop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetadataTest, WhatCanBeSentIsTaken) {
  EXPECT_TRUE(CheckMetadata({}).ok());
  EXPECT_TRUE(CheckMetadata({{"authorization", "Bearer abc="},
                             {"Authorization", "in capitals"},
                             {"x-tenant_1.a", ""},
                             {"x-tenant_1.a", "twice, with commas"},
                             {"trace-bin", std::string("\0\n\xff", 3)}})
                  .ok());
}

TEST(MetadataTest, WhatGrpcWouldEndTheProcessForIsRefusedAndSaysWhy) {
  const struct {
    std::string key, value, says;
  } cases[] = {
      {"", "v", "a key is empty"},
      {":path", "v", "letters, digits"},
      {"two words", "v", "begins 'two'"},
      {"ümlaut", "v", "begins ''"},
      {"a", "two\nlines", "the value of 'a' may have printable ASCII only"},
      {"a", "caf\xc3\xa9", "printable ASCII"},
      {"a", " v", "begins or ends with a space"},
      {"a", "v ", "begins or ends with a space"},
  };
  for (const auto& bad : cases) {
    const absl::Status status =
        CheckMetadata({{"good", "v"}, {bad.key, bad.value}});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.key;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.says));
  }
}

TEST(MetadataTest, KeysThatGrpcOrHttpSetAreRefused) {
  for (const char* key :
       {"grpc-timeout", "Grpc-Encoding", "grpc-status-details-bin", "te",
        "content-type", "Content-Length", "User-Agent", "host", "connection"})
    EXPECT_THAT(std::string(CheckMetadata({{key, "v"}}).message()),
                HasSubstr("gRPC or HTTP sets itself"))
        << key;
}

TEST(MetadataTest, NoSecretIsShown) {
  for (const Metadata& bad : {Metadata{{"authorization", "Bearer s3cret\n"}},
                              Metadata{{"authorization", "Bearer s3cret "}},
                              Metadata{{"authorization: Bearer s3cret", "="}},
                              Metadata{{"te", "s3cret"}}}) {
    const absl::Status status = CheckMetadata(bad);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace backprop
