// SPDX-License-Identifier: Apache-2.0
#include "server/calls/watch_flow.h"

#include <gtest/gtest.h>

namespace backprop {
namespace {

TEST(WatchFlowTest, OneThingIsUnderWayAtATime) {
  WatchFlow flow;
  EXPECT_TRUE(flow.MayBegin());
  flow.TurnBegun();
  EXPECT_FALSE(flow.MayBegin());
  flow.TurnEnded(absl::OkStatus());
  EXPECT_TRUE(flow.MayBegin());
  flow.WriteBegun();
  EXPECT_FALSE(flow.MayBegin());
  flow.WriteDone(true);
  EXPECT_TRUE(flow.MayBegin());
  EXPECT_EQ(flow.TakeEnd(true), std::nullopt);
}

TEST(WatchFlowTest, EndsOnceWhenWhatIsUnderWayIsOver) {
  WatchFlow flow;
  flow.End(absl::OkStatus());
  flow.WriteBegun();
  EXPECT_EQ(flow.TakeEnd(true), std::nullopt);
  flow.WriteDone(true);
  EXPECT_FALSE(flow.MayBegin());
  EXPECT_EQ(flow.TakeEnd(/*may_end=*/false), std::nullopt);
  EXPECT_EQ(flow.TakeEnd(/*may_end=*/true), absl::OkStatus());
  EXPECT_EQ(flow.TakeEnd(true), std::nullopt);
}

TEST(WatchFlowTest, ATurnThatFailsIsItsEnd) {
  WatchFlow flow;
  flow.TurnBegun();
  flow.TurnEnded(absl::NotFoundError("session"));
  EXPECT_FALSE(flow.MayBegin());
  EXPECT_EQ(flow.TakeEnd(true), absl::NotFoundError("session"));
}

TEST(WatchFlowTest, IsCancelledWhateverItsEndWouldHaveBeen) {
  for (const bool by_write : {true, false}) {
    WatchFlow flow;
    flow.WriteBegun();
    flow.End(absl::OkStatus());
    if (!by_write) flow.Cancel();
    flow.WriteDone(!by_write);
    EXPECT_TRUE(flow.cancelled());
    EXPECT_EQ(flow.TakeEnd(true), absl::CancelledError("cancelled"));
  }
}

}  // namespace
}  // namespace backprop
