// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/backoff.h"

#include <gtest/gtest.h>

#include <vector>

namespace backprop {
namespace {

using std::chrono::milliseconds;

constexpr RetryPolicy kPolicy{.first = milliseconds(100),
                              .longest = milliseconds(1000),
                              .within = milliseconds(60'000)};

// The waits that follow on each other, each begun when the one before ended.
std::vector<int64_t> Waits(Backoff& backoff, size_t most) {
  std::vector<int64_t> waits;
  Backoff::TimePoint now;
  while (waits.size() < most) {
    const auto next = backoff.Next(now);
    if (!next.has_value()) break;
    waits.push_back(
        std::chrono::duration_cast<milliseconds>(*next - now).count());
    now = *next;
  }
  return waits;
}

TEST(BackoffTest, WaitsDoubleUpToTheLongest) {
  Backoff backoff(kPolicy, [] { return 1.0; });
  EXPECT_EQ(Waits(backoff, 6),
            (std::vector<int64_t>{100, 200, 400, 800, 1000, 1000}));
}

TEST(BackoffTest, JitterIsFull) {
  std::vector<double> chance = {0, 0.5, 0.25};
  size_t drawn = 0;
  Backoff backoff(kPolicy, [&] { return chance[drawn++]; });
  EXPECT_EQ(Waits(backoff, 3), (std::vector<int64_t>{0, 100, 100}));
}

TEST(BackoffTest, LastAttemptIsAtTheBoundAndNoneAfterIt) {
  Backoff backoff({.first = milliseconds(100),
                   .longest = milliseconds(1000),
                   .within = milliseconds(500)},
                  [] { return 1.0; });
  EXPECT_EQ(Waits(backoff, 9), (std::vector<int64_t>{100, 200, 200}));
}

TEST(BackoffTest, ThousandFailuresOverflowNothing) {
  Backoff backoff({.within = milliseconds(1'000'000'000)}, [] { return 1.0; });
  EXPECT_EQ(Waits(backoff, 1000).back(), 2000);
}

TEST(BackoffTest, SuccessBeginsTheCountAnew) {
  Backoff backoff(kPolicy, [] { return 1.0; });
  Waits(backoff, 4);
  backoff.Succeeded();
  EXPECT_EQ(Waits(backoff, 2), (std::vector<int64_t>{100, 200}));
}

TEST(BackoffTest, BoundOfZeroTriesNothingAgain) {
  Backoff backoff({.within = milliseconds(0)}, [] { return 0.0; });
  EXPECT_FALSE(backoff.Next({}).has_value());
}

TEST(BackoffTest, JitterLiesBelowOne) {
  const auto jitter = SystemJitter();
  for (int i = 0; i < 1000; ++i) {
    const double drawn = jitter();
    ASSERT_TRUE(drawn >= 0 && drawn < 1) << drawn;
  }
}

}  // namespace
}  // namespace backprop
