// SPDX-License-Identifier: Apache-2.0
#include "engine/vector_activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "engine/delta.h"

namespace backprop::testing {
namespace {

// From −120 to 120 densely, and what is special.
std::vector<float> PreActivations() {
  std::vector<float> z;
  for (int i = -60000; i <= 60000; ++i) {
    z.push_back(static_cast<float>(i) * 0.002F);
  }
  for (const float special : {0.0F, -0.0F, 1e-30F, -1e-30F, 1e30F, -1e30F}) {
    z.push_back(special);
  }
  return z;
}

std::vector<float> Activated(Activation activation) {
  const std::vector<float> z = PreActivations();
  std::vector<float> a(z.size());
  ActivateAndFlush(activation, z.data(), a.data(), z.size());
  return a;
}

// Units in the last place between a float and what it should be.
double Ulps(float got, double expected) {
  const float near = static_cast<float>(expected);
  const double ulp =
      double{std::nextafter(std::fabs(near), INFINITY)} - std::fabs(near);
  return std::fabs(got - expected) / ulp;
}

// expected: flushed, too.
void ExpectWithin(double ulps, const std::vector<float>& got,
                  double (*expected)(double)) {
  const std::vector<float> z = PreActivations();
  for (size_t i = 0; i < z.size(); ++i) {
    const double a = expected(z[i]);
    if (std::fabs(a) < 2 * double{kSmallestFactor}) {
      ASSERT_LE(std::fabs(got[i]), 2 * kSmallestFactor) << z[i];
    } else {
      ASSERT_LE(Ulps(got[i], a), ulps) << z[i];
    }
  }
}

TEST(VectorActivationTest, SigmoidIsWithinThreeUlps) {
  ExpectWithin(3, Activated(Activation::kSigmoid),
               [](double z) { return 1 / (1 + std::exp(-z)); });
}

TEST(VectorActivationTest, TanhIsWithinFiveUlps) {
  ExpectWithin(5, Activated(Activation::kTanh),
               [](double z) { return std::tanh(z); });
}

TEST(VectorActivationTest, WhatIsNotFiniteIsSeen) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Activation activation :
       {Activation::kIdentity, Activation::kSigmoid, Activation::kTanh,
        Activation::kRelu}) {
    for (size_t size = 1; size < 40; ++size) {
      for (size_t at = 0; at < size; ++at) {
        std::vector<float> z(size, -1);
        z[at] = kNan;
        std::vector<float> a(size);
        ASSERT_TRUE(
            std::isnan(ActivateAndFlush(activation, z.data(), a.data(), size)));
        ASSERT_TRUE(std::isnan(a[at]));
        z[at] = kInfinity;
        ASSERT_TRUE(std::isnan(Largest(z.data(), size)));
        ASSERT_TRUE(std::isnan(ScaleAndFlush(2, z.data(), a.data(), size)));
      }
    }
  }
}

TEST(VectorActivationTest, SmallFactorsBecomeZero) {
  const std::vector<float> signal = {0x1p-60F, -0x1p-60F, 0x1p-62F, -0x1p-62F,
                                     0x1p-149F};
  std::vector<float> u(signal.size());
  EXPECT_EQ(ScaleAndFlush(1, signal.data(), u.data(), u.size()), 0x1p-60F);
  EXPECT_EQ(u, (std::vector<float>{0x1p-60F, -0x1p-60F, 0, 0, 0}));
}

}  // namespace
}  // namespace backprop::testing
