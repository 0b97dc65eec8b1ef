// SPDX-License-Identifier: Apache-2.0
//
// ApplyDelta of plain descent against delta.proto written out in obvious loops.
#include "engine/contract/delta.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/problem.h"
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

constexpr size_t kMost = std::numeric_limits<size_t>::max();
constexpr DeltaForm F = DeltaForm::kFactored;
constexpr DeltaForm D = DeltaForm::kDense;

// A step of plain descent.
void Apply(const Layout& layout, std::span<const float> row,
           std::span<const float> inputs, std::span<float> weights,
           std::span<float> delta = {}) {
  ApplyDelta(layout, {1, row, inputs, {}}, weights, {}, delta);
}

Layout OneLayer(size_t in, size_t out, size_t batch_size, DeltaForm form) {
  return *Layout::Create(in, std::vector{out}, batch_size, kMost,
                         std::vector{form});
}

// Numbers of many magnitudes, both signs, some of them ±0.
std::vector<float> Mixed(Random& random, size_t size) {
  std::vector<float> numbers(size);
  for (float& number : numbers) {
    const int exponent = static_cast<int>(random.Below(40)) - 20;
    number = std::ldexp(random.Uniform(-1, 1), exponent);
    if (random.Below(16) == 0) number = std::copysign(0.0F, number);
  }
  return numbers;
}

struct DeltaCase {
  Layout layout;
  std::vector<float> row;
  std::vector<float> inputs;
  std::vector<float> weights;
};

DeltaCase RandomCase(uint32_t seed) {
  Random random(seed);
  const size_t in = 1 + random.Below(seed % 4 == 0 ? 700 : 20);
  std::vector<size_t> sizes;
  std::vector<DeltaForm> forms;
  const size_t depth = 1 + random.Below(3);
  for (size_t k = 0; k < depth; ++k) {
    sizes.push_back(1 + random.Below(20));
    forms.push_back(random.Below(3) == 0 ? D : F);
  }
  const size_t batch_size = 1 + random.Below(4);
  const Layout layout = *Layout::Create(in, sizes, batch_size, kMost, forms);
  return {layout, Mixed(random, layout.delta_row_length()),
          Mixed(random, batch_size * in), Mixed(random, layout.weight_count())};
}

TEST(DeltaTest, ApplyDeltaIsTheContractsBitForBit) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const DeltaCase random = RandomCase(seed);
    std::vector<float> weights = random.weights;
    std::vector<float> expected = random.weights;
    std::vector<float> delta(weights.size(), 99.0F);
    Apply(random.layout, random.row, random.inputs, weights, delta);
    const std::vector<float> expected_delta = ApplyReferenceStep(
        random.layout, {1, random.row, random.inputs, {}}, expected, {});
    EXPECT_EQ(Bits(weights), Bits(expected)) << "seed " << seed;
    EXPECT_EQ(Bits(delta), Bits(expected_delta)) << "seed " << seed;
  }
}

// The tests above would tell: a fused multiply-add gives other bits.
TEST(DeltaTest, FusingWouldShow) {
  size_t different = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const float u = random.Uniform(-1, 1);
    const float a = random.Uniform(-1, 1);
    std::vector<float> weights = {random.Uniform(-1, 1), 0};
    const float fused = std::fma(u, a, weights[0]);
    Apply(OneLayer(1, 1, 1, F), std::vector{u}, std::vector{a}, weights);
    different += weights[0] == fused ? 0 : 1;
  }
  EXPECT_GT(different, 20u);
}

TEST(DeltaTest, SamplesAreAddedInTheirOrder) {
  // fl(fl(1 + 2^24) − 2^24) = 0, in any other order 1.
  const std::vector<float> inputs = {1, 0x1p24F, -0x1p24F};
  const std::vector<float> row = {1, 1, 1};
  std::vector<float> delta(2);
  std::vector<float> weights(2);
  Apply(OneLayer(1, 1, 3, F), row, inputs, weights, delta);
  EXPECT_EQ(delta[0], 0);
  EXPECT_EQ(delta[1], 3);
  weights = {0.5F, 0};
  Apply(OneLayer(1, 1, 3, F), row, inputs, weights);
  EXPECT_EQ(weights[0], 0.5F) << "the weight comes last, not first";
}

TEST(DeltaTest, InputsMatterOnlyToAFactoredFirstLayer) {
  const Layout layout = *Layout::Create(2, std::vector<size_t>{2, 2}, 1, kMost,
                                        std::vector{D, F});
  const std::vector<float> row = {1, 2, 3, 4, 5, 6, /* u */ 2, 3, /* a */ 5, 7};
  std::vector<float> weights(12);
  Apply(layout, row, {}, weights);
  EXPECT_EQ(weights, (std::vector<float>{1, 2, 3, 4, 5, 6,  //
                                         10, 14, 15, 21, 2, 3}));
}

TEST(DeltaTest, FlushSmallSetsWhatIsBelowTwoToMinusSixtyToZero) {
  const float bound = 0x1p-60F;
  const float below = std::nextafter(bound, 0.0F);
  const float above = std::nextafter(bound, 1.0F);
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> factors = {bound,  below,  above,     -bound,
                                -below, -above, 0.0F,      -0.0F,
                                1.0F,   -inf,   0x1p-149F, -1e-40F};
  FlushSmall(factors);
  EXPECT_EQ(Bits(factors),
            Bits(std::vector<float>{bound, 0, above, -bound, 0, -above, 0, 0,
                                    1.0F, -inf, 0, 0}))
      << "zeros are positive";
  EXPECT_EQ(kSmallestFactor, bound);
}

TEST(DeltaTest, FlushSmallKeepsNanSoThatTheStepIsRefused) {
  std::vector<float> factors = {std::numeric_limits<float>::quiet_NaN()};
  FlushSmall(factors);
  EXPECT_TRUE(std::isnan(factors[0]));
}

TEST(DeltaTest, SubnormalWeightsAndDeltasAreKept) {
  std::vector<float> weights = {0x1.8p-126F, 0x1p-149F, -0x1p-130F, 0};
  const std::vector<float> row = {-0x1p-126F, 0x1p-149F, 0, 0x1p-140F};
  Apply(OneLayer(1, 2, 1, D), row, {}, weights);
  EXPECT_EQ(Bits(weights), Bits(std::vector<float>{0x1p-127F, 0x1p-148F,
                                                   -0x1p-130F, 0x1p-140F}));
  // A subnormal product: the contract multiplies whatever the row holds.
  std::vector<float> delta(2);
  weights.resize(2);
  Apply(OneLayer(1, 1, 1, F), std::vector{0x1p-70F}, std::vector{0x1p-70F},
        weights, delta);
  EXPECT_EQ(delta[0], 0x1p-140F);
}

TEST(DeltaTest, ZerosKeepTheSignThatAdditionGivesThem) {
  // −0 + +0 = +0, −0 + −0 = −0; and −1·(+0) = −0.
  std::vector<float> weights = {-0.0F, -0.0F, -0.0F, -0.0F};
  Apply(OneLayer(1, 2, 1, D), std::vector{0.0F, -0.0F, 0.0F, -0.0F}, {},
        weights);
  EXPECT_EQ(Bits(weights), Bits(std::vector{0.0F, -0.0F, 0.0F, -0.0F}));
  weights = {-0.0F, -0.0F, 0.0F, -0.0F};
  Apply(OneLayer(1, 2, 1, F), std::vector{-1.0F, 1.0F}, std::vector{0.0F},
        weights);
  EXPECT_EQ(Bits(weights), Bits(std::vector{-0.0F, 0.0F, -1.0F, 1.0F}));
}

TEST(DeltaTest, NoDeltaWithinTheBoundMakesAWeightInfinite) {
  // delta.proto (6): from 2^121 on a weight swallows every |D| ≤ 2^96.
  EXPECT_EQ(kLargestDelta, 0x1p96F);
  std::vector<float> weights = {0x1p121F, -0x1p121F};
  Apply(OneLayer(1, 1, 1, D), std::vector{kLargestDelta, -kLargestDelta}, {},
        weights);
  EXPECT_EQ(weights, (std::vector{0x1p121F, -0x1p121F}));
}

}  // namespace
}  // namespace backprop::testing
