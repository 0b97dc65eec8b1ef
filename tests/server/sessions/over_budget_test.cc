// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/over_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace backprop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Shortage Of(size_t needed) {
  return {.needed = needed,
          .limit = 1000,
          .what = "bytes of soup",
          .flags = "--max-soup",
          .field = "plates"};
}

TEST(OverBudgetTest, WhoCanWaitIsToldTo) {
  for (const size_t needed : {1, 1000}) {
    const absl::Status status = OverBudget(Of(needed));
    EXPECT_EQ(ReasonOf(status), kQueueLimit.name);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("1000 bytes of soup"), HasSubstr("--max-soup"),
                      HasSubstr("try again")));
  }
}

TEST(OverBudgetTest, WhoWouldWaitForEverIsToldWhatToChange) {
  const absl::Status status =
      OverBudget(Of(1001), kSessionLimit, "delete some sessions");
  EXPECT_EQ(ReasonOf(status), kInvalidRequest.name);
  ASSERT_EQ(ViolationsOf(status).size(), 1);
  EXPECT_EQ(ViolationsOf(status)[0].field, "plates");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("1001 bytes of soup"), HasSubstr("1000"),
                    HasSubstr("--max-soup"), Not(HasSubstr("try again")),
                    Not(HasSubstr("delete"))));
}

TEST(OverBudgetTest, TheReasonAndAdviceAreTheCallers) {
  const absl::Status status =
      OverBudget(Of(7), kSessionLimit, "delete some sessions");
  EXPECT_EQ(ReasonOf(status), kSessionLimit.name);
  EXPECT_THAT(std::string(status.message()), HasSubstr("delete some sessions"));
}

}  // namespace
}  // namespace backprop::testing
