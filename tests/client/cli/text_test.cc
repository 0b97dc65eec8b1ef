// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "client/cli/text/near_name.h"
#include "client/cli/text/number_text.h"
#include "client/cli/text/progress.h"
#include "client/cli/text/settings_text.h"
#include "client/cli/text/time_text.h"
#include "client/cli/text/wrapped.h"

namespace backprop::cli {
namespace {

TEST(NearNameTest, IsTheOneWithTheFewestSlips) {
  const std::vector<std::string> names = {"train", "--layers", "--optimiser",
                                          "--l1", "--rho"};
  const struct {
    std::string word, near;
  } rows[] = {
      {"trian", "train"},
      {"rtain", "train"},
      {"tran", "train"},
      {"traain", "train"},
      {"trxin", "train"},
      {"trxxn", ""},
      {"--layer", "--layers"},
      {"--optimizer", "--optimiser"},
      {"--optimzer", "--optimiser"},
      {"--optmzer", ""},
      {"--optimazxr", ""},
      {"--rhoo", "--rho"},
      {"--lr", ""},
      {"--rhp", "--rho"},
      {"rho", ""},
      {"", ""},
      {"--", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(NearName(row.word, names), row.near);
  EXPECT_EQ(NearName("list", {"lists", "last", "list"}), "list");
  EXPECT_EQ(NearName("lost", {"lists", "last", "list"}), "last");
  EXPECT_EQ(NearName("word", {}), "");
}

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

TEST(TimeTextTest, SaysWhenInUtc) {
  EXPECT_EQ(TimeText(0, "%Y-%m-%d %H:%M:%S"), "1970-01-01 00:00:00");
  EXPECT_EQ(TimeText(1'795'882'812, "%Y-%m-%d %H:%M"), "2026-11-28 16:20");
  EXPECT_EQ(TimeText(int64_t{1} << 62, "%Y"), "?");
}

TEST(SettingsTextTest, LongValuesGoOnUnderThemselves) {
  const std::string word(30, 'x');
  EXPECT_EQ(SettingsText({{"a", "1"}, {"label", word + " " + word + " y"}}),
            "a      1\nlabel  " + word + " " + word + " y\n");
  EXPECT_EQ(SettingsText({{"a", word + " " + word + " " + word}}),
            "a  " + word + " " + word + "\n   " + word + "\n");
}

TEST(WrappedTest, LinesBreakBetweenWords) {
  EXPECT_EQ(Wrapped("ab cd ef", 5), "ab cd\nef");
  EXPECT_EQ(Wrapped("ab cd ef", 4), "ab\ncd\nef");
  EXPECT_EQ(Wrapped("longer than", 3), "longer\nthan");
  EXPECT_EQ(Wrapped("", 3), "");
}

TEST(BarTextTest, FillsWithProgress) {
  EXPECT_EQ(BarText("epoch 1/2", 50, 100, "x", "", 31),
            "epoch 1/2 [#####.....]  50 %  x");
  EXPECT_EQ(BarText("e", 200, 100, "x", "", 23), "e [##########] 100 %  x");
}

TEST(BarTextTest, NeverWiderThanTheTerminal) {
  for (size_t width = 0; width < 120; ++width)
    EXPECT_LE(
        BarText("epoch 1/2", 3, 7, "error 0.1", "accuracy 0.5", width).size(),
        width);
}

TEST(BarTextTest, WhatStandsAsideIsLeftOutFirst) {
  EXPECT_EQ(BarText("e", 1, 2, "x", "aside", 25), "e [##..]  50 %  x   aside");
  EXPECT_EQ(BarText("e", 1, 2, "x", "aside", 24), "e [#####......]  50 %  x");
  EXPECT_EQ(BarText("e", 1, 2, "x", "aside", 16), "e  50 %");
}

TEST(BarTextTest, NothingToDoIsDone) {
  EXPECT_NE(BarText("e", 0, 0, "", "", 40).find("100 %"), std::string::npos);
}

TEST(ProgressTest, LeavesWhatStandsInTheLineForAWhile) {
  std::string shown;
  Terminal::Clock::time_point now;
  LiveLine line({.write = [&](std::string_view text) { shown = text; },
                 .columns = [] { return size_t{40}; },
                 .now = [&] { return now; }});
  Progress progress(line, std::chrono::milliseconds(500));
  progress.Begin("e", 2);
  progress.Show(1, "x");
  EXPECT_EQ(shown, "\re [#############.............]  50 %  x\x1b[K");
  line.Show("result");
  now += std::chrono::milliseconds(200);
  line.Show("result");
  progress.Begin("f", 2);
  now += std::chrono::milliseconds(499);
  EXPECT_FALSE(progress.Due());
  progress.Show(1, "x");
  EXPECT_EQ(shown, "\rresult\x1b[K");
  now += std::chrono::milliseconds(1);
  progress.SetAside("aside");
  progress.Show(1, "x");
  EXPECT_EQ(shown, "\rf [#########.........]  50 %  x   aside\x1b[K");
}

}  // namespace
}  // namespace backprop::cli
