// SPDX-License-Identifier: Apache-2.0
#include "server/store/session_image.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr size_t kImageHeadBytes = 1 + 5 * 8;
constexpr float kSeven = 7;

std::string Word(uint64_t number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

std::string Float(float number) {
  return {reinterpret_cast<const char*>(&number), sizeof(number)};
}

// Many of which are zero, some −0.
std::vector<float> RandomNumbers(Random& random, size_t size) {
  std::vector<float> numbers = random.Uniforms(size, -1, 1);
  const size_t one_in = 1 + random.Below(5);
  for (float& number : numbers) {
    if (random.Below(one_in) != 0) number = random.Below(9) == 0 ? -0.0F : 0.0F;
  }
  return numbers;
}

TEST(SessionImageTest, APieceIsAsItIsDescribed) {
  const std::vector<float> weights = {1, 2, 3};
  const std::vector<float> state = {9, 4, 5, 9, 0, 0};
  const std::string expected =
      std::string("\1") + Word(77) + Word(1) + Word(2) + Word(3) + Word(2) +
      std::string("\0", 1) + Float(2) + Float(3) +  // weights
      std::string("\0", 1) + Float(4) + Float(5) +  // one vector of state
      std::string("\1\0", 2);                       // the other: zeros
  EXPECT_EQ(ImagePiece({77, 1, 2}, weights, state), expected);
}

TEST(SessionImageTest, EveryRangeIsCopiedToItsPlacesAndNothingElse) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    const size_t count = 1 + random.Below(3000);
    const size_t vectors = random.Below(3);
    const std::vector<float> weights = RandomNumbers(random, count);
    const std::vector<float> state = RandomNumbers(random, vectors * count);
    const size_t first = random.Below(count);
    const size_t end = first + 1 + random.Below(count - first);
    const ImageRange range{random.Below(99), first, end - first};
    const std::string piece = ImagePiece(range, weights, state);
    ASSERT_EQ(*RangeOfImage(piece, count, vectors), range);
    std::vector<float> got(count, 7.0F);
    std::vector<float> got_state(vectors * count, 7.0F);
    ASSERT_TRUE(CopyImage(piece, got, got_state).ok());
    for (size_t i = 0; i < (1 + vectors) * count; ++i) {
      const bool held = first <= i % count && i % count < end;
      const auto& from = i < count ? weights : state;
      const auto& to = i < count ? got : got_state;
      const size_t at = i < count ? i : i - count;
      ASSERT_EQ(Bits({&to[at], 1}), Bits({held ? &from[at] : &kSeven, 1})) << i;
    }
  }
}

TEST(SessionImageTest, WhatIsZeroTakesNoRoom) {
  const std::vector<float> weights(1000, 1.0F);
  const std::vector<float> state(2000);
  EXPECT_LE(ImagePiece({1, 0, 1000}, weights, state).size(),
            kImageHeadBytes + 1 + 4000 + 2 * (1 + 125));
}

// Refused, and nothing was changed.
void ExpectRefused(const std::string& piece, size_t weights = 3,
                   size_t state = 6) {
  std::vector<float> got(weights, 7.0F);
  std::vector<float> got_state(state, 7.0F);
  const std::vector<char> exact(piece.begin(), piece.end());
  EXPECT_EQ(CopyImage({exact.data(), exact.size()}, got, got_state).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(got, std::vector<float>(weights, 7.0F));
  EXPECT_EQ(got_state, std::vector<float>(state, 7.0F));
}

TEST(SessionImageTest, WhatIsTornOrOfAnotherNetworkIsRefused) {
  const std::vector<float> weights = {1, 2, 3};
  const std::vector<float> state = {4, 0, 5, 0, 6, 0};
  const std::string piece = ImagePiece({5, 1, 2}, weights, state);
  for (size_t length = 0; length < piece.size(); ++length) {
    SCOPED_TRACE(length);
    ExpectRefused(piece.substr(0, length));
  }
  ExpectRefused(piece + '\0');
  ExpectRefused(piece, 4, 8);
  ExpectRefused(piece, 3, 3);
}

TEST(SessionImageTest, ARangeBeyondTheNetworkIsRefused) {
  const std::string piece =
      ImagePiece({5, 1, 2}, std::vector<float>(3), std::vector<float>(6));
  const auto with = [&](size_t at, uint64_t number) {
    std::string changed = piece;
    return changed.replace(at, sizeof(number), Word(number));
  };
  constexpr auto kMost = std::numeric_limits<uint64_t>::max();
  ExpectRefused(with(9, 2));       // first
  ExpectRefused(with(9, kMost));   // first; with the count it overflows
  ExpectRefused(with(17, 3));      // count
  ExpectRefused(with(17, kMost));  // count
  ExpectRefused(with(33, kMost));  // vectors of state
}

TEST(SessionImageTest, EverySingleBitThatFlipsIsRefusedOrStaysWithin) {
  Random random(2);
  const std::vector<float> weights = RandomNumbers(random, 70);
  const std::vector<float> state = RandomNumbers(random, 140);
  std::string piece = ImagePiece({5, 10, 55}, weights, state);
  size_t refused = 0;
  for (size_t bit = 0; bit < piece.size() * 8; ++bit) {
    std::string flipped = piece;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    std::vector<float> got(70);
    std::vector<float> got_state(140);
    const std::vector<char> exact(flipped.begin(), flipped.end());
    refused += !CopyImage({exact.data(), exact.size()}, got, got_state).ok();
  }
  // All of the head's, but the step's and what lets a range end in time.
  EXPECT_GE(refused, 8 * (1 + 2 * 8) + 8);
}

}  // namespace
}  // namespace backprop::testing
