// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/out_of_memory.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "absl/status/statusor.h"

namespace backprop {
namespace {

TEST(CatchOutOfMemoryTest, ReturnsWhatTheWorkReturns) {
  EXPECT_EQ(CatchOutOfMemory([] { return absl::StatusOr<int>(7); }).value(), 7);
  EXPECT_EQ(CatchOutOfMemory([] { return absl::DataLossError("lost"); }),
            absl::DataLossError("lost"));
  const std::optional<absl::Status> goes_on =
      CatchOutOfMemory([] { return std::optional<absl::Status>(); });
  EXPECT_FALSE(goes_on.has_value());
}

TEST(CatchOutOfMemoryTest, WorkThatReturnsNothingIsOk) {
  int done = 0;
  EXPECT_TRUE(CatchOutOfMemory([&] { ++done; }).ok());
  EXPECT_EQ(done, 1);
}

TEST(CatchOutOfMemoryTest, CarriesWhatCanOnlyBeMoved) {
  const absl::StatusOr<std::unique_ptr<int>> made =
      CatchOutOfMemory([]() -> absl::StatusOr<std::unique_ptr<int>> {
        return std::make_unique<int>(3);
      });
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(**made, 3);
}

TEST(CatchOutOfMemoryTest, BadAllocBecomesAStatus) {
  const auto throws = [](auto result) {
    return [result] {
      if (true) throw std::bad_alloc();
      return result;
    };
  };
  EXPECT_EQ(CatchOutOfMemory(throws(absl::OkStatus())), OutOfMemory());
  EXPECT_EQ(CatchOutOfMemory(throws(absl::StatusOr<int>(7))).status(),
            OutOfMemory());
  EXPECT_EQ(CatchOutOfMemory(throws(std::optional<absl::Status>())),
            OutOfMemory());
  EXPECT_EQ(CatchOutOfMemory([] { throw std::bad_alloc(); }), OutOfMemory());
  EXPECT_EQ(OutOfMemory().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace backprop
