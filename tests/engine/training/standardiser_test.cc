// SPDX-License-Identifier: Apache-2.0
#include "engine/training/standardiser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace backprop::testing {
namespace {

struct Learnt {
  std::vector<float> mean;
  std::vector<float> factor;
};

// rows: (n, columns), given `rows_a_call` at a time.
Learnt Learn(const std::vector<float>& rows, size_t columns,
             size_t rows_a_call) {
  Standardiser standardiser(columns);
  const std::span<const float> all(rows);
  for (size_t i = 0; i < rows.size(); i += rows_a_call * columns) {
    standardiser.Add(
        all.subspan(i, std::min(rows_a_call * columns, rows.size() - i)));
  }
  EXPECT_EQ(standardiser.samples(), rows.size() / columns);
  Learnt learnt{std::vector<float>(columns), std::vector<float>(columns)};
  standardiser.Finish(learnt.mean, learnt.factor);
  return learnt;
}

// Two passes in long double.
Learnt Exactly(const std::vector<float>& rows, size_t columns) {
  const auto n = static_cast<long double>(rows.size() / columns);
  Learnt exact;
  for (size_t j = 0; j < columns; ++j) {
    long double mean = 0, variance = 0;
    for (size_t i = j; i < rows.size(); i += columns) mean += rows[i] / n;
    for (size_t i = j; i < rows.size(); i += columns) {
      variance += (rows[i] - mean) * (rows[i] - mean) / n;
    }
    exact.mean.push_back(static_cast<float>(mean));
    exact.factor.push_back(
        static_cast<float>(1 / std::sqrt(variance + 1e-12L)));
  }
  return exact;
}

// Columns of very different means and spreads.
std::vector<float> Rows(size_t n, size_t columns) {
  std::mt19937 random(5);
  std::vector<float> rows;
  for (size_t i = 0; i < n * columns; ++i) {
    const auto unit = static_cast<float>(random() >> 8) * 0x1p-24F;
    const auto j = static_cast<float>(i % columns);
    rows.push_back(std::pow(10.0F, j - 3) * (unit - 0.5F) + 100 * j * j);
  }
  return rows;
}

TEST(StandardiserTest, MeanAndFactorAreThoseOfTwoPasses) {
  const std::vector<float> rows = Rows(5000, 8);
  const Learnt exact = Exactly(rows, 8);
  const Learnt learnt = Learn(rows, 8, 5000);
  for (size_t j = 0; j < 8; ++j) {
    EXPECT_NEAR(learnt.mean[j], exact.mean[j],
                1e-7 * std::fabs(exact.mean[j]) + 1e-9)
        << j;
    EXPECT_NEAR(learnt.factor[j], exact.factor[j], 1e-6 * exact.factor[j]) << j;
  }
}

// In single precision, or by E[x²] − E[x]², nothing would be left of it.
TEST(StandardiserTest, ASmallSpreadOnALargeMeanIsKept) {
  std::vector<float> rows;
  for (size_t i = 0; i < 4000; ++i)
    rows.push_back(1e7F + (i % 2 ? 1.0F : -1.0F));
  const Learnt learnt = Learn(rows, 1, 7);
  EXPECT_EQ(learnt.mean[0], 1e7F);
  EXPECT_FLOAT_EQ(learnt.factor[0], 1);
}

TEST(StandardiserTest, AColumnThatNeverVariedKeepsItsScale) {
  std::vector<float> rows;
  for (size_t i = 0; i < 1000; ++i) {
    rows.push_back(0.1F);
    rows.push_back(static_cast<float>(i % 3));
    rows.push_back(0);
  }
  const Learnt learnt = Learn(rows, 3, 10);
  EXPECT_EQ(learnt.mean[0], 0.1F);
  EXPECT_EQ(learnt.factor[0], 1);
  EXPECT_NE(learnt.factor[1], 1);
  EXPECT_EQ(learnt.mean[2], 0);
  EXPECT_EQ(learnt.factor[2], 1);
}

TEST(StandardiserTest, ATinySpreadHasAFiniteFactor) {
  const Learnt learnt = Learn({0, 1e-30F}, 1, 2);
  EXPECT_FLOAT_EQ(learnt.factor[0], 1e6F);
}

TEST(StandardiserTest, ItDoesNotMatterHowRowsAreGrouped) {
  const std::vector<float> rows = Rows(100, 5);
  const Learnt at_once = Learn(rows, 5, 100);
  for (const size_t rows_a_call : {1, 7, 99}) {
    const Learnt pieces = Learn(rows, 5, rows_a_call);
    EXPECT_EQ(pieces.mean, at_once.mean);
    EXPECT_EQ(pieces.factor, at_once.factor);
  }
}

TEST(StandardiserTest, GoesOnFromItsSums) {
  const std::vector<float> rows = Rows(100, 5);
  const Learnt at_once = Learn(rows, 5, 100);
  Standardiser begun(5);
  begun.Add(std::span(rows).first(35));
  Standardiser gone_on(begun.sums());
  EXPECT_EQ(gone_on.samples(), 7u);
  gone_on.Add(std::span(rows).subspan(35));
  Learnt pieces{std::vector<float>(5), std::vector<float>(5)};
  gone_on.Finish(pieces.mean, pieces.factor);
  EXPECT_EQ(pieces.mean, at_once.mean);
  EXPECT_EQ(pieces.factor, at_once.factor);
}

TEST(StandardiserTest, OneSampleIsItsOwnMean) {
  const Learnt learnt = Learn({3, -4}, 2, 1);
  EXPECT_EQ(learnt.mean, (std::vector<float>{3, -4}));
  EXPECT_EQ(learnt.factor, (std::vector<float>{1, 1}));
}

}  // namespace
}  // namespace backprop::testing
