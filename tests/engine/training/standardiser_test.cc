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
Learnt Learn(const std::vector<float>& rows, size_t columns, size_t rows_a_call,
             double least_deviation = 0) {
  Standardiser standardiser(columns, least_deviation);
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

// Two passes in long double, then factor = 1/max(s, m).
Learnt Exactly(const std::vector<float>& rows, size_t columns) {
  const auto n = static_cast<long double>(rows.size() / columns);
  Learnt exact;
  for (size_t j = 0; j < columns; ++j) {
    long double mean = 0, variance = 0;
    float least = rows[j], largest = rows[j];
    for (size_t i = j; i < rows.size(); i += columns) {
      mean += rows[i] / n;
      if (rows[i] < least) least = rows[i];
      if (rows[i] > largest) largest = rows[i];
    }
    for (size_t i = j; i < rows.size(); i += columns) {
      variance += (rows[i] - mean) * (rows[i] - mean) / n;
    }
    const long double floor = (static_cast<long double>(largest) - least) / 64;
    const long double deviation = std::sqrt(variance);
    exact.mean.push_back(static_cast<float>(mean));
    exact.factor.push_back(
        static_cast<float>(1 / (deviation > floor ? deviation : floor)));
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

TEST(StandardiserTest, ASpreadThatInputsCannotShowKeepsItsScale) {
  EXPECT_EQ(Learn({0, 1e-30F}, 1, 2).factor[0], 1);
  EXPECT_FLOAT_EQ(Learn({0, 1e-9F}, 1, 2).factor[0], 2e9F);
}

// 0.1, half of the time rounded the other way.
TEST(StandardiserTest, WhatRoundingDoesIsNoSpread) {
  std::vector<float> rows;
  for (size_t i = 0; i < 1000; ++i) {
    rows.push_back(i % 2 ? 0.1F : std::nextafter(0.1F, 1.0F));
  }
  EXPECT_EQ(Learn(rows, 1, 10).factor[0], 1);
}

// A pixel that is dark but in one image of 10,000: s = 0.01, range 1.
TEST(StandardiserTest, AColumnThatRarelyVariesIsDividedByAShareOfItsRange) {
  std::vector<float> rows(10000);
  rows[1234] = 1;
  EXPECT_FLOAT_EQ(Learn(rows, 1, 100).factor[0], 64);
  rows[77] = -1;
  EXPECT_FLOAT_EQ(Learn(rows, 1, 100).factor[0], 32);
}

TEST(StandardiserTest, AGivenFloorHoldsForEveryColumn) {
  std::vector<float> rows;
  for (size_t i = 0; i < 1000; ++i) {
    rows.push_back(i % 2 ? 0.01F : -0.01F);  // s = 0.01
    rows.push_back(i % 2 ? 3.0F : -3.0F);    // s = 3
    rows.push_back(0.5F);                    // s = 0
    rows.push_back(i == 0 ? 1.0F : 0.0F);    // s = 0.0316, range/64 less
  }
  const Learnt learnt = Learn(rows, 4, 10, 0.02);
  EXPECT_FLOAT_EQ(learnt.factor[0], 50);
  EXPECT_FLOAT_EQ(learnt.factor[1], 1.0F / 3);
  EXPECT_FLOAT_EQ(learnt.factor[2], 50);
  EXPECT_NEAR(learnt.factor[3], 31.64, 0.01);
}

TEST(StandardiserTest, TheFloorOfBytesIsAShareOfTheirRange) {
  const auto bytes = [](float scale) {
    InputFormat format;
    format.element_type = ElementType::kUint8;
    format.scale = scale;
    return format;
  };
  const InputFormat pixels = bytes(1 / 255.0F);
  EXPECT_FLOAT_EQ(static_cast<float>(LeastDeviation(pixels, 0)), 1 / 64.0F);
  EXPECT_EQ(LeastDeviation(pixels, 0.25F), 0.25);
  EXPECT_EQ(LeastDeviation(bytes(-2), 0), 510 / 64.0);
  EXPECT_EQ(LeastDeviation(InputFormat(), 0), 0);
  EXPECT_EQ(LeastDeviation(InputFormat(), 0.25F), 0.25);
}

// The reciprocal of 255 · 1e−40 / 64 is no float32.
TEST(StandardiserTest, NoFloorMakesAFactorInfinite) {
  InputFormat tiny;
  tiny.element_type = ElementType::kUint8;
  tiny.scale = 1e-40F;
  const Learnt learnt =
      Learn({0, 1e-40F, 0, 2.5e-38F}, 2, 1, LeastDeviation(tiny, 0));
  for (const float factor : learnt.factor) {
    EXPECT_EQ(factor, 0x1p60F);
  }
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
