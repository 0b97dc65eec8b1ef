// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "client/cli/text/number_text.h"
#include "client/cli/text/progress.h"
#include "client/cli/text/wrapped.h"

namespace backprop::cli {
namespace {

TEST(NumberTextTest, ThousandsAreGrouped) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1002003), "1,002,003");
}

TEST(NumberTextTest, BytesHaveUnits) {
  EXPECT_EQ(ByteText(999), "999 B");
  EXPECT_EQ(ByteText(63.84e6), "63.8 MB");
  EXPECT_EQ(ByteText(999.96e6), "1.0 GB");
}

TEST(NumberTextTest, DigestsHaveAllTheirDigits) {
  EXPECT_EQ(DigestText(0x123456789abcdef), "0123456789abcdef");
}

TEST(WrappedTest, LinesBreakBetweenWords) {
  EXPECT_EQ(Wrapped("ab cd ef", 5), "ab cd\nef");
  EXPECT_EQ(Wrapped("ab cd ef", 4), "ab\ncd\nef");
  EXPECT_EQ(Wrapped("longer than", 3), "longer\nthan");
  EXPECT_EQ(Wrapped("", 3), "");
}

TEST(BarTextTest, FillsWithProgress) {
  EXPECT_EQ(BarText("epoch 1/2", 50, 100, "x", 31),
            "epoch 1/2 [#####.....]  50 %  x");
  EXPECT_EQ(BarText("e", 200, 100, "x", 23), "e [##########] 100 %  x");
}

TEST(BarTextTest, NeverWiderThanTheTerminal) {
  for (size_t width = 0; width < 120; ++width)
    EXPECT_LE(BarText("epoch 1/2", 3, 7, "error 0.1", width).size(), width);
}

TEST(BarTextTest, NothingToDoIsDone) {
  EXPECT_NE(BarText("e", 0, 0, "", 40).find("100 %"), std::string::npos);
}

}  // namespace
}  // namespace backprop::cli
