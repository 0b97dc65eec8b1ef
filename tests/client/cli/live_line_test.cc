// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/live_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace backprop::cli {
namespace {

using std::chrono::milliseconds;

class LiveLineTest : public ::testing::Test {
 protected:
  LiveLine Line() {
    return LiveLine({.write = [this](std::string_view text) { shown_ += text; },
                     .columns = [this] { return columns_; },
                     .now = [this] { return now_; }});
  }

  // What was written since the last call.
  std::string Shown() { return std::exchange(shown_, ""); }

  std::string shown_;
  size_t columns_ = 80;
  Terminal::Clock::time_point now_;
};

TEST_F(LiveLineTest, IsWrittenOverTenTimesASecondAtMost) {
  LiveLine line = Line();
  line.Show("a");
  EXPECT_EQ(Shown(), "\ra\x1b[K");
  now_ += milliseconds(99);
  EXPECT_FALSE(line.Due());
  line.Show("b");
  EXPECT_EQ(Shown(), "");
  now_ += milliseconds(1);
  EXPECT_TRUE(line.Due());
  line.Show("c");
  EXPECT_EQ(Shown(), "\rc\x1b[K");
}

TEST_F(LiveLineTest, TheLastStateStaysHoweverSoonItComes) {
  LiveLine line = Line();
  line.Show("a");
  line.Keep("b");
  EXPECT_EQ(Shown(), "\ra\x1b[K\rb\x1b[K\n");
  line.Clear();
  EXPECT_EQ(Shown(), "") << "what is kept was taken off the terminal";
}

TEST_F(LiveLineTest, MakesWayForOtherText) {
  LiveLine line = Line();
  line.Clear();
  EXPECT_EQ(Shown(), "");
  line.Show("a");
  line.Clear();
  EXPECT_EQ(Shown(), "\ra\x1b[K\r\x1b[K");
}

TEST_F(LiveLineTest, NeverReachesTheLastColumn) {
  LiveLine line = Line();
  for (const size_t columns : {0, 1, 2, 5}) {
    columns_ = columns;
    now_ += milliseconds(100);
    line.Show("abcdef");
    const size_t room = columns == 0 ? 0 : columns - 1;
    EXPECT_EQ(line.columns(), room);
    EXPECT_EQ(Shown(), "\r" + std::string("abcdef").substr(0, room) + "\x1b[K");
  }
}

TEST_F(LiveLineTest, FollowsATerminalThatIsMadeWider) {
  LiveLine line = Line();
  columns_ = 4;
  line.Show("abcdef");
  EXPECT_EQ(Shown(), "\rabc\x1b[K");
  columns_ = 6;
  now_ += milliseconds(100);
  line.Show("abcdef");
  EXPECT_EQ(Shown(), "\rabcde\x1b[K");
}

TEST(SilentLineTest, WithoutATerminalNothingIsDue) {
  LiveLine line{Terminal()};
  EXPECT_FALSE(line.on_terminal());
  EXPECT_FALSE(line.Due());
  line.Show("a");
  line.Keep("a");
  line.Clear();
}

TEST(FittedTest, LeavesOutFromTheEnd) {
  EXPECT_EQ(Fitted({"one", "two", "three"}, 80), "one   two   three");
  EXPECT_EQ(Fitted({"one", "two", "three"}, 17), "one   two   three");
  EXPECT_EQ(Fitted({"one", "two", "three"}, 16), "one   two");
  EXPECT_EQ(Fitted({"one", "two", "three"}, 8), "one");
  EXPECT_EQ(Fitted({"one", "two", "three"}, 2), "on");
  EXPECT_EQ(Fitted({}, 2), "");
}

}  // namespace
}  // namespace backprop::cli
