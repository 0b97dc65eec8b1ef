// SPDX-License-Identifier: Apache-2.0
#include "engine/random/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/random/philox.h"
#include "tests/engine/every_target.h"

namespace backprop::testing {
namespace {

std::vector<float> Factors(const DropoutSite& site, float rate, size_t size) {
  std::vector<float> factors(size + 1, 99.0F);
  DropoutFactors(site, rate, {factors.data(), size});
  EXPECT_EQ(factors[size], 99);
  factors.pop_back();
  return factors;
}

// The comment on SessionSpec.dropout_seed, word by word.
TEST(DropoutTest, MasksFollowTheManual) {
  const DropoutSite site{
      .seed = 0x123456789abcdef0, .step = 0x500000007, .layer = 3, .sample = 2};
  constexpr float kRate = 0.375F;
  OnEveryTarget([&] {
    for (const size_t size : {1, 2, 3, 10, 127, 128, 600, 1500}) {
      const std::vector<float> factors = Factors(site, kRate, size);
      for (size_t i = 0; i < size; ++i) {
        const size_t m = 2 * size + i;
        const auto block = Philox4x32({static_cast<uint32_t>(m / 4), 3, 7, 5},
                                      {0x9abcdef0, 0x12345678});
        const double r = (block[m % 4] / 256) * 0x1p-24;  // the upper 24 bits
        ASSERT_EQ(factors[i], r < kRate ? 0.0F : 1.6F) << size << " " << i;
      }
    }
  });
}

TEST(DropoutTest, WhatIsKeptIsScaledByTheShareThatIs) {
  for (const float rate : {0.1F, 0.3F, 0.7F, 0.9F}) {
    const std::vector<float> factors = Factors({.seed = 1}, rate, 1000);
    const auto kept = static_cast<float>(1 / (1 - double{rate}));
    size_t dropped = 0;
    for (const float factor : factors) {
      ASSERT_TRUE(factor == 0 || factor == kept) << factor;
      dropped += factor == 0;
    }
    // Six standard deviations.
    EXPECT_NEAR(static_cast<double>(dropped), 1000 * rate,
                6 * std::sqrt(1000 * rate * (1 - rate)));
  }
}

TEST(DropoutTest, SeedStepLayerAndSampleAllMatter) {
  const DropoutSite site{.seed = 1, .step = 1, .layer = 1, .sample = 0};
  const std::vector<float> factors = Factors(site, 0.5F, 64);
  EXPECT_EQ(Factors(site, 0.5F, 64), factors);
  for (const DropoutSite& other :
       {DropoutSite{2, 1, 1, 0}, DropoutSite{1, 2, 1, 0},
        DropoutSite{1, 1, 2, 0}, DropoutSite{1, 1, 1, 1},
        DropoutSite{1 + (uint64_t{1} << 32), 1, 1, 0},
        DropoutSite{1, 1 + (uint64_t{1} << 32), 1, 0}}) {
    EXPECT_NE(Factors(other, 0.5F, 64), factors);
  }
}

}  // namespace
}  // namespace backprop::testing
