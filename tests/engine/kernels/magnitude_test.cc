// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/magnitude.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(MagnitudeTest, WhatIsNotFiniteIsSeen) {
  OnEveryTarget([] {
    for (size_t size = 1; size < 40; ++size) {
      for (size_t at = 0; at < size; ++at) {
        for (const float bad : {kNan, kInfinity, -kInfinity}) {
          std::vector<float> x(size, -1);
          const std::vector<float> y(size, 1);
          x[at] = bad;
          std::vector<float> u(size);
          ASSERT_TRUE(std::isnan(LargestMagnitude(x.data(), size)));
          ASSERT_TRUE(std::isnan(ScaleAndFlush(2, x.data(), u.data(), size)));
          ASSERT_TRUE(std::isnan(LargestDifference(x.data(), y.data(), size)));
          ASSERT_TRUE(std::isnan(LargestDifference(y.data(), x.data(), size)));
        }
      }
    }
  });
}

TEST(MagnitudeTest, TheLargestIsFoundWhereverItStands) {
  OnEveryTarget([] {
    for (size_t size = 1; size < 40; ++size) {
      for (size_t at = 0; at < size; ++at) {
        std::vector<float> x(size, 1);
        const std::vector<float> y(size, 0.5F);
        x[at] = -3;
        ASSERT_EQ(LargestMagnitude(x.data(), size), 3);
        ASSERT_EQ(LargestDifference(x.data(), y.data(), size), 3.5F);
      }
    }
    EXPECT_EQ(LargestMagnitude(nullptr, 0), 0);
  });
}

TEST(MagnitudeTest, SmallFactorsBecomeZero) {
  OnEveryTarget([] {
    const std::vector<float> signal = {0x1p-60F, -0x1p-60F, 0x1p-62F, -0x1p-62F,
                                       0x1p-149F};
    std::vector<float> u(signal.size());
    EXPECT_EQ(ScaleAndFlush(1, signal.data(), u.data(), u.size()), 0x1p-60F);
    EXPECT_EQ(Bits(u), Bits(std::vector<float>{0x1p-60F, -0x1p-60F, 0, 0, 0}));
  });
}

TEST(MagnitudeTest, FactorsAreBoundedByTheirLargest) {
  EXPECT_EQ(FactorBound(3, 0.5F), 3);  // the bias's a is 1
  EXPECT_EQ(FactorBound(3, 2), 6);
  EXPECT_EQ(FactorBound(0x1p-60F, 0x1p127F), 0x1p67);
  EXPECT_TRUE(std::isnan(FactorBound(kNan, 1)));
  EXPECT_TRUE(std::isnan(FactorBound(1, kNan)));
  const std::vector<float> u = {1, -2, 0.5F, 0};
  const std::vector<float> a = {0.25F, 0, 4, -8};
  const double exact = 2 * 1 + 0.5 * 8;
  const double bound = FactorBound({u.data(), 2}, 2, {a.data(), 2}, 2, 2);
  EXPECT_GE(bound, exact);
  EXPECT_LE(bound, exact * (1 + 0x1p-22));
  const std::vector<float> bad = {0.25F, kInfinity, 4, -8};
  EXPECT_TRUE(std::isnan(FactorBound({u.data(), 2}, 2, {bad.data(), 2}, 2, 2)));
}

}  // namespace
}  // namespace backprop::testing
