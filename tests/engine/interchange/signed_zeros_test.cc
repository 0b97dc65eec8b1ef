// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/signed_zeros.h"

#include <gtest/gtest.h>

#include <string>

namespace backprop {
namespace {

TEST(SignedZerosTest, OnlyTheNumberMinusZeroChanges) {
  const struct {
    std::string json, expected;
  } cases[] = {
      {"-0", "-0.0"},
      {R"({"a":-0})", R"({"a":-0.0})"},
      {R"([-0,-0 , 0,-0])", R"([-0.0,-0.0 , 0,-0.0])"},
      {R"([-0.5,-0.0,10,-10,1e-0,-0e1])", R"([-0.5,-0.0,10,-10,1e-0,-0e1])"},
      {R"(["-0", "[-0]", "\"-0,", "\\",-0])",
       R"(["-0", "[-0]", "\"-0,", "\\",-0.0])"},
      {R"({"[-0]\\\"-0}":1})", R"({"[-0]\\\"-0}":1})"},
      {"", ""},
      {"\"\\", "\"\\"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(WithSignedZeros(each.json), each.expected);
  }
}

}  // namespace
}  // namespace backprop
