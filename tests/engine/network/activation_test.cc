// SPDX-License-Identifier: Apache-2.0
//
// The vectorised activations against double formulas, on every kind of CPU that
// this one can be.
#include "engine/network/activation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/network/softmax.h"
#include "tests/engine/every_target.h"
#include "tests/engine/function_names.h"
#include "tests/twins/reference_functions.h"

namespace backprop::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// All but softmax, which is no function of one number; 0.75 as negative_scale.
std::vector<LayerSpec> Elementwise() {
  std::vector<LayerSpec> layers;
  for (const Activation activation : EveryActivation()) {
    if (activation == Activation::kSoftmax) continue;
    layers.push_back(
        {.size = 1, .activation = activation, .negative_scale = 0.75F});
  }
  return layers;
}

// Finite floats of all magnitudes and both signs, and more of them where the
// functions bend.
std::vector<float> Grid() {
  constexpr uint64_t kPatterns = uint64_t{1} << 32;
  std::vector<float> grid;
  for (uint64_t bits = 0; bits < kPatterns; bits += 16381) {
    const auto z = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(z)) grid.push_back(z);
  }
  for (float z = -110; z < 110; z += 0.00123F) grid.push_back(z);
  for (const float z :
       {0.0F, std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::min(), std::numeric_limits<float>::max()}) {
    grid.push_back(z);
    grid.push_back(-z);
  }
  return grid;
}

// The promise of engine/network/activation.h.
double ValueBound(const LayerSpec& layer, double exact) {
  const double unit = UnitInLastPlace(exact);
  return layer.activation == Activation::kGelu ? std::max(6 * unit, 0x1p-145)
                                               : 3 * unit;
}

TEST(ActivationTest, ValuesAreWithinTheirUnitsInTheLastPlace) {
  const std::vector<float> z = Grid();
  std::vector<float> a(z.size());
  OnEveryTarget([&] {
    for (const LayerSpec& layer : Elementwise()) {
      Activate(layer, z, a);
      for (size_t i = 0; i < z.size(); ++i) {
        const double exact = ReferenceValue(layer, z[i]);
        ASSERT_LE(std::fabs(a[i] - exact), ValueBound(layer, exact))
            << Name(layer.activation) << " of " << z[i] << " is " << a[i];
      }
    }
  });
}

TEST(ActivationTest, DerivativesAreWithinTheirBound) {
  const std::vector<float> z = Grid();
  std::vector<float> a(z.size());
  OnEveryTarget([&] {
    for (const LayerSpec& layer : Elementwise()) {
      Activate(layer, z, a);
      std::vector<float> signal(z.size(), 1.0F);
      MultiplyByDerivative(layer, z, a, signal);
      for (size_t i = 0; i < z.size(); ++i) {
        ASSERT_LE(std::fabs(signal[i] - ReferenceDerivative(layer, z[i])),
                  0x1p-21)
            << Name(layer.activation) << " at " << z[i] << ": " << signal[i];
      }
    }
  });
}

TEST(ActivationTest, TheDerivativeMultipliesTheSignal) {
  const std::vector<float> z = {-2, -0.5F, 0, 0.25F, 3};
  std::vector<float> a(z.size());
  for (const LayerSpec& layer : Elementwise()) {
    Activate(layer, z, a);
    std::vector<float> signal = {4, -2, 8, 0, -16};
    const std::vector<float> before = signal;
    MultiplyByDerivative(layer, z, a, signal);
    for (size_t i = 0; i < z.size(); ++i) {
      EXPECT_NEAR(signal[i], before[i] * ReferenceDerivative(layer, z[i]),
                  16 * 0x1p-21)
          << Name(layer.activation) << " at " << z[i];
    }
  }
}

TEST(ActivationTest, NanStaysNan) {
  OnEveryTarget([&] {
    for (const LayerSpec& layer : Elementwise()) {
      std::vector<float> z(37, 1.0F);
      z[5] = z[36] = kNan;
      std::vector<float> a(z.size());
      Activate(layer, z, a);
      for (size_t i = 0; i < z.size(); ++i) {
        EXPECT_EQ(std::isnan(a[i]), i == 5 || i == 36)
            << Name(layer.activation) << " " << i;
      }
    }
  });
}

TEST(ActivationTest, InfinitiesGiveTheLimits) {
  struct Case {
    Activation activation;
    float at_minus;
    float at_plus;
  };
  const Case cases[] = {
      {Activation::kIdentity, -kInfinity, kInfinity},
      {Activation::kSigmoid, 0, 1},
      {Activation::kTanh, -1, 1},
      {Activation::kRelu, 0, kInfinity},
      {Activation::kLeakyRelu, -kInfinity, kInfinity},
      {Activation::kElu, -0.75F, kInfinity},
      {Activation::kGelu, 0, kInfinity},
      {Activation::kSoftplus, 0, kInfinity},
  };
  OnEveryTarget([&] {
    for (const Case& known : cases) {
      const LayerSpec layer{.activation = known.activation,
                            .negative_scale = 0.75F};
      const std::vector<float> z = {-kInfinity, kInfinity};
      std::vector<float> a(2);
      Activate(layer, z, a);
      EXPECT_EQ(a[0], known.at_minus) << Name(known.activation);
      EXPECT_EQ(a[1], known.at_plus) << Name(known.activation);
    }
  });
}

TEST(ActivationTest, DerivativesAtTheKinksAreThoseOfTheManual) {
  const std::vector<float> z = {0.0F, -0.0F};
  const auto derivative = [&](Activation activation) {
    const LayerSpec layer{.activation = activation, .negative_scale = 0.25F};
    std::vector<float> a(2), signal(2, 1.0F);
    Activate(layer, z, a);
    MultiplyByDerivative(layer, z, a, signal);
    EXPECT_EQ(signal[0], signal[1]);
    return signal[0];
  };
  EXPECT_EQ(derivative(Activation::kRelu), 0);
  EXPECT_EQ(derivative(Activation::kLeakyRelu), 0.25F);
  EXPECT_EQ(derivative(Activation::kElu), 0.25F);
}

// Every length gets to the end, writes nothing beyond it, and gives each number
// what it would get alone, be it in place or not.
TEST(ActivationTest, NumbersDoNotDependOnTheirNeighbours) {
  constexpr float kUntouched = 123;
  std::vector<float> z(70);
  for (size_t i = 0; i < z.size(); ++i) {
    z[i] = std::sin(static_cast<float>(i)) * 5;
  }
  OnEveryTarget([&] {
    for (const LayerSpec& layer : Elementwise()) {
      for (size_t n = 1; n < z.size(); ++n) {
        const std::span<const float> part(z.data(), n);
        std::vector<float> a(n + 1, kUntouched);
        Activate(layer, part, {a.data(), n});
        std::vector<float> signal(n + 1, 0.5F);
        signal[n] = kUntouched;
        MultiplyByDerivative(layer, part, {a.data(), n}, {signal.data(), n});
        std::vector<float> in_place(part.begin(), part.end());
        Activate(layer, in_place, in_place);
        EXPECT_EQ(a[n], kUntouched);
        EXPECT_EQ(signal[n], kUntouched);
        for (size_t i = 0; i < n; ++i) {
          float alone = 0, half = 0.5F;
          Activate(layer, {&z[i], 1}, {&alone, 1});
          MultiplyByDerivative(layer, {&z[i], 1}, {&alone, 1}, {&half, 1});
          ASSERT_EQ(a[i], alone) << Name(layer.activation) << n << " " << i;
          ASSERT_EQ(in_place[i], alone) << Name(layer.activation);
          ASSERT_EQ(signal[i], half) << Name(layer.activation);
        }
      }
    }
  });
}

// Logits of all kinds: near each other, far apart, equal.
std::vector<float> Logits(size_t n, float spread) {
  std::vector<float> z(n);
  for (size_t i = 0; i < n; ++i) {
    z[i] = spread * std::sin(static_cast<float>(i * i + 1));
  }
  return z;
}

TEST(SoftmaxTest, IsWithinItsBound) {
  const LayerSpec layer{.activation = Activation::kSoftmax};
  OnEveryTarget([&] {
    for (const size_t n : {1, 2, 3, 10, 16, 17, 100, 1000}) {
      for (const float spread : {0.0F, 0.1F, 3.0F, 50.0F, 1e4F}) {
        const std::vector<float> z = Logits(n, spread);
        const std::vector<double> exact =
            ReferenceOutputs(layer, std::vector<double>(z.begin(), z.end()));
        const double largest = *std::max_element(z.begin(), z.end());
        std::vector<float> a(n + 1, 123.0F);
        Activate(layer, z, {a.data(), n});
        EXPECT_EQ(a[n], 123);
        for (size_t i = 0; i < n; ++i) {
          const double units =
              8 + static_cast<double>(n) / 4 + (largest - z[i]);
          ASSERT_NEAR(a[i], exact[i], units * 0x1p-24 * exact[i] + 0x1p-149)
              << n << " " << spread << " " << i;
        }
        std::vector<float> in_place = z;
        Activate(layer, in_place, in_place);
        a.pop_back();
        EXPECT_EQ(in_place, a);
      }
    }
  });
}

TEST(SoftmaxTest, NanAndInfinitySpoilEverything) {
  OnEveryTarget([&] {
    for (const float bad : {kNan, kInfinity}) {
      std::vector<float> z(21, 0.5F);
      z[2] = bad;
      std::vector<float> a(z.size());
      Softmax(z, a);
      EXPECT_TRUE(std::isnan(a[2]));
      if (std::isnan(bad)) {
        for (const float value : a) EXPECT_TRUE(std::isnan(value));
        EXPECT_TRUE(std::isnan(LogSumExp(z).excess));
      }
    }
  });
}

TEST(SoftmaxTest, TheLogarithmOfTheSumKeepsItsDigitsNearZero) {
  OnEveryTarget([&] {
    for (const float apart : {0.0F, 0.5F, 5.0F, 20.0F, 60.0F, 87.0F}) {
      const std::vector<float> z = {3.0F - apart, 3.0F, 3.0F - apart};
      const LogSum sum = LogSumExp(z);
      EXPECT_EQ(sum.largest, 3);
      const double exact = std::log1p(2 * std::exp(-double{apart}));
      EXPECT_NEAR(sum.excess, exact, exact * 0x1p-20) << apart;
    }
  });
}

TEST(SoftmaxTest, AllEqualAndAloneAreExact) {
  OnEveryTarget([&] {
    const std::vector<float> same(8, -7.0F);
    std::vector<float> a(8);
    Softmax(same, a);
    EXPECT_THAT(a, ::testing::Each(0.125F));
    EXPECT_DOUBLE_EQ(LogSumExp(same).excess, std::log(8.0));
    EXPECT_EQ(LogSumExp(std::vector<float>{4.0F}).excess, 0);
  });
}

}  // namespace
}  // namespace backprop::testing
