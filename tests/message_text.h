// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_MESSAGE_TEXT_H_
#define BACKPROP_TESTS_MESSAGE_TEXT_H_

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace backprop::testing {

// The message that a text says, in protobuf's text format. Adds a failure to
// the test if it cannot be parsed.
template <class Message>
Message Parsed(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message))
      << text;
  return message;
}

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_MESSAGE_TEXT_H_
