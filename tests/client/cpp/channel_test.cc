// SPDX-License-Identifier: Apache-2.0
//
// What a real channel does; all else of the client is tested on a mock.
#include <gtest/gtest.h>

#include "client/cpp/training_client.h"

namespace backprop {
namespace {

TEST(ChannelTest, NobodyAtTheAddressIsUnavailableAtOnce) {
  TrainingClient client("127.0.0.1:1");
  EXPECT_EQ(client.GetSession("x").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace backprop
