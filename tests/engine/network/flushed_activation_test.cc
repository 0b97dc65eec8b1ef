// SPDX-License-Identifier: Apache-2.0
//
// In one pass what Activate and FlushSmall do in two, on every kind of CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/network/activation.h"
#include "tests/engine/every_target.h"
#include "tests/engine/function_names.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kUntouched = -77;

LayerSpec LayerOf(Activation activation) {
  return {.activation = activation, .negative_scale = 0.3F};
}

// From where functions are flat to where they are steep, and numbers whose f is
// too small to be kept.
std::vector<float> PreActivations(size_t size) {
  std::vector<float> z = Random(3).Uniforms(size, -90, 20);
  for (size_t i = 0; i < size; i += 3) z[i] *= 0.01F;
  for (size_t i = 0; i < size; i += 7) z[i] *= 0x1p-65F;
  return z;
}

TEST(FlushedActivationTest, ActivationsAreTheOrdinaryOnesFlushed) {
  OnEveryTarget([] {
    for (const Activation activation : EveryActivation()) {
      const LayerSpec layer = LayerOf(activation);
      for (const size_t size : {1, 2, 3, 15, 16, 17, 40, 1001}) {
        const std::vector<float> z = PreActivations(size);
        std::vector<float> expected(size);
        Activate(layer, z, expected);
        FlushSmall(expected);
        std::vector<float> a(size + 1, kUntouched);
        const float largest = ActivateAndFlush(layer, z.data(), a.data(), size);
        float expected_largest = 0;
        for (const float value : expected) {
          expected_largest = std::max(expected_largest, std::fabs(value));
        }
        EXPECT_EQ(largest, expected_largest) << Name(activation) << size;
        EXPECT_EQ(a.back(), kUntouched);
        a.pop_back();
        EXPECT_EQ(Bits(a), Bits(expected)) << Name(activation) << size;
        std::vector<float> in_place = z;
        ActivateAndFlush(layer, in_place.data(), in_place.data(), size);
        EXPECT_EQ(Bits(in_place), Bits(expected)) << Name(activation);
      }
    }
  });
}

TEST(FlushedActivationTest, WhatIsNotFiniteIsSeen) {
  OnEveryTarget([] {
    for (const Activation activation : EveryActivation()) {
      for (size_t size = 1; size < 40; ++size) {
        for (size_t at = 0; at < size; ++at) {
          std::vector<float> z(size, -1);
          z[at] = kNan;
          std::vector<float> a(size);
          ASSERT_TRUE(std::isnan(
              ActivateAndFlush(LayerOf(activation), z.data(), a.data(), size)))
              << Name(activation);
          ASSERT_TRUE(std::isnan(a[at])) << Name(activation);
        }
      }
    }
  });
}

}  // namespace
}  // namespace backprop::testing
