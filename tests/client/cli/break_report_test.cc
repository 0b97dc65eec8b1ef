// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/break_report.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "client/cpp/call_status.h"

namespace backprop::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const absl::Status kAway = absl::UnavailableError("Socket closed");

class BreakReportTest : public ::testing::Test {
 protected:
  // A moment so many milliseconds after some other.
  static BreakReport::Moment At(int ms) {
    return BreakReport::Moment() + milliseconds(100000 + ms);
  }

  void Mend(uint64_t samples, uint64_t epoch = 1) {
    report_.Resumed({.cause = kAway,
                     .epoch_before = 1,
                     .epoch = epoch,
                     .step_before = 1,
                     .step = 1234,
                     .samples_resent = samples});
  }

  ReconnectFlag flag_;
  std::vector<std::string> said_;
  BreakReport report_{
      flag_, [this](const std::string& text) { said_.push_back(text); }};
};

TEST_F(BreakReportTest, WhatIsMendedSoonIsSummedUpAtTheEnd) {
  for (int i = 0; i < 3; ++i) {
    report_.Broken(kAway, At(5000 * i));
    report_.Look(At(5000 * i + 999));
    Mend(500);
    report_.Look(At(5000 * i + 4000));
  }
  EXPECT_THAT(said_, IsEmpty());
  report_.End();
  EXPECT_THAT(said_,
              ElementsAre("the connection broke 3 times, and was there again "
                          "within a second: 1,500 samples sent again"));
}

TEST_F(BreakReportTest, OneBreakIsNoTimes) {
  report_.Broken(kAway, At(0));
  Mend(7);
  report_.End();
  EXPECT_THAT(said_, ElementsAre(StartsWith("the connection broke once, and")));
}

TEST_F(BreakReportTest, WhatTakesLongIsToldWhenItDoesAndOnce) {
  report_.Broken(kAway, At(0));
  report_.Look(At(1000));
  report_.Look(At(1050));
  EXPECT_THAT(said_,
              ElementsAre("the server went away (Socket closed): looking "
                          "for it for 60 seconds"));
  Mend(32);
  EXPECT_THAT(said_[1],
              "the server is there again: went on from step 1,234, 32 "
              "samples sent again");
  report_.End();
  EXPECT_EQ(said_.size(), 2U);
}

TEST_F(BreakReportTest, RestartIsToldHoweverSoonItIsOver) {
  report_.Broken(kAway, At(0));
  Mend(32, /*epoch=*/2);
  EXPECT_THAT(said_, ElementsAre(HasSubstr("went away"),
                                 StartsWith("the server was restarted: ")));
}

TEST_F(BreakReportTest, WhatAProxyCutsIsToldOnce) {
  const absl::Status cut = FromGrpc(
      {grpc::StatusCode::INTERNAL, "Received RST_STREAM with error code 2"});
  for (int i = 0; i < 3; ++i) {
    report_.Broken(cut, At(i));
    Mend(1);
  }
  EXPECT_THAT(said_, ElementsAre(HasSubstr("opening it anew"),
                                 StartsWith("the server is there again")));
  report_.End();
  EXPECT_THAT(said_.back(), HasSubstr("broke 2 times"));
}

TEST_F(BreakReportTest, BreakThatNothingMendsIsToldAtTheEnd) {
  report_.Broken(kAway, At(0));
  Mend(1);
  report_.Broken(kAway, At(5000));
  report_.End();
  EXPECT_THAT(
      said_, ElementsAre(HasSubstr("broke once"), HasSubstr("looking for it")));
}

}  // namespace
}  // namespace backprop::cli
