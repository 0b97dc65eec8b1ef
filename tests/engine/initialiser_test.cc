// SPDX-License-Identifier: Apache-2.0
#include "engine/initialiser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

using Words = std::array<uint32_t, 4>;

// Philox4x32-10 of Random123's published kat_vectors.
TEST(PhiloxTest, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                       {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::vector<float> Initialised(const Layout& layout, InitialiserKind kind,
                               uint64_t seed) {
  std::vector<float> weights(layout.weight_count(), 99.0F);
  Initialise({kind, seed}, layout, weights);
  return weights;
}

Layout MakeLayout(size_t input_size, const std::vector<size_t>& sizes) {
  return *Layout::Create(input_size, sizes, 1,
                         std::numeric_limits<size_t>::max());
}

double Bound(InitialiserKind kind, const LayerLayout& layer) {
  const auto in = static_cast<double>(layer.inputs);
  const auto out = static_cast<double>(layer.outputs);
  return kind == InitialiserKind::kHeUniform ? std::sqrt(6 / in)
                                             : std::sqrt(6 / (in + out));
}

constexpr InitialiserKind kRandomKinds[] = {InitialiserKind::kGlorotUniform,
                                            InitialiserKind::kHeUniform};
constexpr uint64_t kSeeds[] = {0, 1, 0xffffffffffffffff, 0x123456789abcdef0};

// The comment on Initialiser in network.proto, sentence by sentence.
float Formula(uint64_t seed, uint64_t i, double bound) {
  const uint64_t block = i / 4;
  const Words words =
      Philox4x32({static_cast<uint32_t>(block % (uint64_t{1} << 32)),
                  static_cast<uint32_t>(block >> 32), 0, 0},
                 {static_cast<uint32_t>(seed % (uint64_t{1} << 32)),
                  static_cast<uint32_t>(seed >> 32)});
  const double n = words[i % 4] / 256;  // the upper 24 bits
  const double r = n / (1 << 24);
  const auto limit = static_cast<float>(bound);
  const auto centred = static_cast<float>(2 * r - 1);
  return static_cast<float>(double{limit} * centred);  // exact, then rounded
}

TEST(InitialiserTest, WeightsFollowTheFormulaAndBiasesAreZero) {
  const Layout layout = MakeLayout(7, {5, 6, 3});
  for (const InitialiserKind kind : kRandomKinds) {
    for (const uint64_t seed : kSeeds) {
      const std::vector<float> weights = Initialised(layout, kind, seed);
      for (const LayerLayout& layer : layout.layers()) {
        for (size_t i = layer.weights_begin; i < layer.bias_begin; ++i) {
          EXPECT_EQ(weights[i], Formula(seed, i, Bound(kind, layer))) << i;
        }
        for (size_t i = 0; i < layer.outputs; ++i) {
          EXPECT_EQ(weights[layer.bias_begin + i], 0) << i;
        }
      }
    }
  }
}

// Philox and the formula written once more, in Python: weights 0, 1, 2, 3, 4,
// 14, 18, 19 and 23 of a 5-3-2 network.
TEST(InitialiserTest, ASeedMeansTheSameNetworkInAnyLanguage) {
  struct Case {
    InitialiserKind kind;
    uint64_t seed;
    std::vector<float> weights;
  };
  const Case cases[] = {
      {InitialiserKind::kGlorotUniform,
       0,
       {-0x1.661b48p-3F, 0x1.5172f8p-1F, 0x1.a2109cp-2F, 0x1.762b56p-3F,
        0x1.a2c9c6p-1F, 0x1.732668p-3F, 0x1.eff3d6p-1F, 0x1.d3bcdep-1F,
        -0x1.4441cap-2F}},
      {InitialiserKind::kHeUniform,
       0,
       {-0x1.c4f916p-3F, 0x1.aad7d6p-1F, 0x1.08685p-1F, 0x1.d94a76p-3F,
        0x1.08dd6cp+0F, 0x1.d578c8p-3F, 0x1.4022cep+0F, 0x1.2dec64p+0F,
        -0x1.a29d2cp-2F}},
      {InitialiserKind::kGlorotUniform,
       0x123456789abcdef0,
       {-0x1.9b9fep-1F, -0x1.af379cp-5F, 0x1.00485ap-1F, -0x1.25a362p-1F,
        -0x1.ee90c6p-2F, 0x1.505ba2p-1F, -0x1.8c8f48p-6F, 0x1.2f1e9p-1F,
        -0x1.7df854p-1F}},
      {InitialiserKind::kHeUniform,
       0x123456789abcdef0,
       {-0x1.04558ep+0F, -0x1.10b9cap-4F, 0x1.442cbcp-1F, -0x1.736d1ep-1F,
        -0x1.38ca6cp-1F, 0x1.a97680p-1F, -0x1.fff4d4p-6F, 0x1.87534ep-1F,
        -0x1.ed1f06p-1F}},
  };
  const size_t positions[] = {0, 1, 2, 3, 4, 14, 18, 19, 23};
  for (const Case& known : cases) {
    const std::vector<float> weights =
        Initialised(MakeLayout(5, {3, 2}), known.kind, known.seed);
    for (size_t i = 0; i < known.weights.size(); ++i) {
      EXPECT_EQ(weights[positions[i]], known.weights[i]) << positions[i];
    }
  }
}

TEST(InitialiserTest, ZerosAreZeros) {
  const std::vector<float> weights =
      Initialised(MakeLayout(4, {3, 2}), InitialiserKind::kZeros, 5);
  EXPECT_EQ(Bits(weights), std::vector<uint32_t>(weights.size(), 0));
}

TEST(InitialiserTest, WeightsFillTheirRangeEvenly) {
  const Layout layout = MakeLayout(300, {200, 100});
  for (const InitialiserKind kind : kRandomKinds) {
    for (const uint64_t seed : kSeeds) {
      const std::vector<float> weights = Initialised(layout, kind, seed);
      for (const LayerLayout& layer : layout.layers()) {
        const auto bound = static_cast<float>(Bound(kind, layer));
        std::vector<size_t> tenths(10);
        double sum = 0;
        for (size_t i = layer.weights_begin; i < layer.bias_begin; ++i) {
          ASSERT_GE(weights[i], -bound);
          ASSERT_LT(weights[i], bound);
          sum += weights[i];
          ++tenths[static_cast<size_t>((weights[i] / bound + 1) * 5)];
        }
        // n numbers: bounds of six standard deviations.
        const auto n = static_cast<double>(layer.inputs * layer.outputs);
        EXPECT_LT(std::fabs(sum / n), 6 * bound / std::sqrt(3 * n));
        for (const size_t count : tenths) {
          EXPECT_NEAR(static_cast<double>(count), n / 10,
                      6 * std::sqrt(n * 0.09));
        }
      }
    }
  }
}

TEST(InitialiserTest, EverySeedGivesOtherWeights) {
  const Layout layout = MakeLayout(6, {5});
  const auto kind = InitialiserKind::kGlorotUniform;
  const std::vector<float> weights = Initialised(layout, kind, 7);
  EXPECT_EQ(Initialised(layout, kind, 7), weights);
  EXPECT_NE(Initialised(layout, kind, 8), weights);
  EXPECT_NE(Initialised(layout, kind, 7 + (uint64_t{1} << 32)), weights);
}

}  // namespace
}  // namespace backprop::testing
