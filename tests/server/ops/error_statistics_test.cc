// SPDX-License-Identifier: Apache-2.0
#include "server/ops/error_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace backprop {
namespace {

TEST(ErrorStatisticsTest, ABoundBelongsToTheBucketBelowIt) {
  const std::vector<float> errors = {0, 0.1F, std::nextafter(0.1F, 1.0F), 300,
                                     301};
  const ErrorStatistics statistics = Summarise(errors);
  EXPECT_EQ(statistics.buckets[0], 1);
  EXPECT_EQ(statistics.buckets[8], 1) << "0.1 is at most 0.1";
  EXPECT_EQ(statistics.buckets[9], 1) << "the next number above is not";
  EXPECT_EQ(statistics.buckets[15], 1);
  EXPECT_EQ(statistics.buckets[16], 1) << "above all bounds";
  EXPECT_EQ(std::accumulate(statistics.buckets.begin(),
                            statistics.buckets.end(), 0.0),
            5);
}

TEST(ErrorStatisticsTest, NegativeErrorsLowerTheAverageAndNoCounter) {
  const ErrorStatistics statistics = Summarise(std::vector<float>{-4, 2});
  EXPECT_EQ(statistics.buckets[0], 1);
  EXPECT_EQ(statistics.sum, 2);
  EXPECT_NEAR(ErrorAverage().Add(statistics), -1, 0.01);
}

TEST(ErrorStatisticsTest, FirstStepsAreAveragedWithoutBiasToZero) {
  ErrorAverage average;
  EXPECT_NEAR(average.Add(Summarise(std::vector<float>{4})), 4, 1e-9);
  EXPECT_NEAR(average.Add(Summarise(std::vector<float>{2})), 3, 0.01);
}

TEST(ErrorStatisticsTest, OldStepsFadeByOneEthInAThousandSteps) {
  ErrorAverage average;
  average.Add(Summarise(std::vector<float>(100'000, 1.0F)));
  const double after = average.Add(Summarise(std::vector<float>(1000, 0.0F)));
  EXPECT_NEAR(after, std::exp(-1), 1e-6);
}

TEST(ErrorStatisticsTest, TheAverageDoesNotDependOnHowStepsFormTurns) {
  std::vector<float> errors(3000);
  for (size_t i = 0; i < errors.size(); ++i) {
    errors[i] = 1.0F / static_cast<float>(i + 1);
  }
  ErrorAverage whole;
  ErrorAverage pieces;
  const double expected = whole.Add(Summarise(errors));
  double got = 0;
  for (size_t i = 0; i < errors.size(); i += 7) {
    const size_t count = std::min<size_t>(7, errors.size() - i);
    got = pieces.Add(Summarise(std::span(errors).subspan(i, count)));
  }
  EXPECT_NEAR(got, expected, 1e-12);
}

}  // namespace
}  // namespace backprop
