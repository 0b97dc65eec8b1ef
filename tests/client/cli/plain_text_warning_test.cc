// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/plain_text_warning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace backprop::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

GlobalFlags WithToken(const std::string& address) {
  GlobalFlags global;
  global.address = address;
  global.client.metadata = {{"x-other", "1"}, {"authorization", "s3cret"}};
  return global;
}

TEST(PlainTextWarningTest, ATokenThatLeavesTheMachineIsWarnedOf) {
  for (const char* address :
       {"10.0.0.1:50051", "backprop.example.org:443", "0.0.0.0:1",
        "[2001:db8::1]:50051", "dns:///backprop.example.org:443",
        "127.0.0.1.example.org:443", "localhost.example.org:443",
        "ipv4:127.0.0.1:1,10.0.0.1:1"})
    EXPECT_THAT(PlainTextWarning(WithToken(address)),
                AllOf(HasSubstr(address), HasSubstr("--tls"), EndsWith("\n"),
                      Not(HasSubstr("s3cret"))));
}

TEST(PlainTextWarningTest, OneThatStaysIsNot) {
  for (const char* address :
       {"127.0.0.1:50051", "127.1.2.3:1", "localhost:50051", "LocalHost:1",
        "[::1]:50051", "dns:///localhost:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1",
        "unix:/run/backpropd", "unix-abstract:backpropd"})
    EXPECT_EQ(PlainTextWarning(WithToken(address)), "") << address;
}

TEST(PlainTextWarningTest, NeitherIsTlsNorOtherMetadata) {
  GlobalFlags global = WithToken("10.0.0.1:50051");
  global.client.tls = TlsOptions{};
  EXPECT_EQ(PlainTextWarning(global), "");
  global.client.tls.reset();
  global.client.metadata.pop_back();
  EXPECT_EQ(PlainTextWarning(global), "");
}

}  // namespace
}  // namespace backprop::cli
