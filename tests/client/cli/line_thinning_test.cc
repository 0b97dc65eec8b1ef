// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/line_thinning.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace backprop::cli {
namespace {

using Spread = LineThinning::Spread;

std::vector<uint64_t> Told(uint64_t most, Spread spread) {
  const LineThinning thinning(most, spread);
  std::vector<uint64_t> told;
  for (uint64_t number = 1; number <= most; ++number)
    if (thinning.Tells(number)) told.push_back(number);
  return told;
}

TEST(LineThinningTest, FewLinesAreAllTold) {
  for (const Spread spread : {Spread::kEven, Spread::kWidening})
    for (const uint64_t most : {1, 2, 8, 50})
      EXPECT_EQ(Told(most, spread).size(), most);
}

TEST(LineThinningTest, ManyLinesBecomeSomeFiftyWithTheFirstAndTheLast) {
  for (const Spread spread : {Spread::kEven, Spread::kWidening})
    for (const uint64_t most : {51, 99, 101, 1000, 2999, 3000, 100'000}) {
      const std::vector<uint64_t> told = Told(most, spread);
      EXPECT_LE(told.size(), 62) << most;
      EXPECT_GE(told.size(), 25) << most;
      EXPECT_EQ(told.front(), 1);
      EXPECT_EQ(told.back(), most);
    }
}

TEST(LineThinningTest, KnownNumbersAreToldInEvenStepsAfterAFewOfTheFirst) {
  std::vector<uint64_t> expected = {1, 2, 5, 10, 20, 50};
  for (uint64_t number = 60; number <= 3000; number += 60)
    expected.push_back(number);
  EXPECT_EQ(Told(3000, Spread::kEven), expected);
}

TEST(LineThinningTest, OfARunThatMayEndAnywhereTheBeginningIsToldInFull) {
  const std::vector<uint64_t> told = Told(1000, Spread::kWidening);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(told[i], i + 1);
  for (size_t i = 1; i + 1 < told.size(); ++i)
    EXPECT_LE(told[i], 1 + told[i - 1] * 5 / 4) << "a wide gap";
}

TEST(LineThinningTest, TheMostEpochsThereCanBeAreThinnedToo) {
  constexpr uint64_t kMost = 1'000'000'000;
  uint64_t even = 0;
  uint64_t widening = 0;
  for (uint64_t number = 1; number <= 100'000; ++number) {
    even += LineThinning(kMost, Spread::kEven).Tells(number);
    widening += LineThinning(kMost, Spread::kWidening).Tells(number);
  }
  EXPECT_EQ(even, 16) << "1, 2, 5 … 100,000";
  EXPECT_LE(widening, 30);
  EXPECT_TRUE(LineThinning(kMost, Spread::kEven).Tells(20'000'000));
}

}  // namespace
}  // namespace backprop::cli
