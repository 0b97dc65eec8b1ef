// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/digest.h"

#include <gtest/gtest.h>

#include <bit>
#include <vector>

namespace backprop {
namespace {

struct Known {
  size_t count;
  uint64_t digest;
};

// Made by Python's xxhash 4.1.0 (which brings its own XXH 0.8.4 along) from
//   struct.pack("<f", 0.25 * i - 3) for i in range(count)
// with xxh3_64_intdigest. The counts lie on both sides of the lengths at which
// XXH3 changes its ways: 16, 128, 240 and 1024 bytes.
constexpr Known kKnown[] = {
    {0, 0x2d06800538d394c2},      {1, 0x3cdb35899d81160d},
    {2, 0xa0b317e6d78ef475},      {3, 0x87d64b38163f462e},
    {4, 0xe7a19adc5e850380},      {5, 0x4ee181ae1e0fa987},
    {8, 0x4da71d15bd19b120},      {31, 0xea846933790dd8ba},
    {32, 0xd8626b6b89ff2b80},     {33, 0x5dcdb3a9de753530},
    {59, 0xfddb00a1c298ef4f},     {60, 0xcb1c03b0836b7aa7},
    {61, 0xc1a8260e6deb6ff4},     {64, 0x8abe7fa1a3a717ea},
    {255, 0x635fc6f4c82513c6},    {256, 0xa911326f6e85a796},
    {257, 0x9617c193e15062a4},    {1000, 0xef4c571890b9fba5},
    {100000, 0x02e16b1736292fd0},
};

TEST(DigestTest, IsXxh3OfTheLittleEndianBytes) {
  for (const Known& known : kKnown) {
    std::vector<float> weights(known.count);
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = 0.25F * static_cast<float>(i) - 3;
    }
    EXPECT_EQ(Digest(weights), known.digest) << known.count << " weights";
  }
}

TEST(DigestTest, IsOfBitsNotOfValues) {
  // struct.pack("<4I", 0x80000000, 0, 1, 0x7f7fffff)
  const std::vector<float> weights = {-0.0F, 0.0F, 0x1p-149F,
                                      std::bit_cast<float>(0x7f7fffff)};
  EXPECT_EQ(Digest(weights), 0x4ba40f100081dee9);
  EXPECT_NE(Digest(std::vector{0.0F}), Digest(std::vector{-0.0F}));
}

TEST(DigestTest, OneBitAnywhereChangesIt) {
  std::vector<float> weights(300, 1.0F);
  const uint64_t digest = Digest(weights);
  for (float& weight : weights) {
    weight = 0x1.000002p0F;
    EXPECT_NE(Digest(weights), digest);
    weight = 1.0F;
  }
  EXPECT_EQ(Digest(weights), digest);
}

}  // namespace
}  // namespace backprop
