// SPDX-License-Identifier: Apache-2.0
#include "engine/random/philox.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/every_target.h"

namespace backprop::testing {
namespace {

using Words = std::array<uint32_t, 4>;

// Random123's published kat_vectors.
TEST(PhiloxTest, BlocksAreThePublishedOnes) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                       {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                       {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Word by word from single blocks: any first word, any number of them, and
// counters whose lower half runs over.
TEST(PhiloxTest, StreamsAreTheirBlocksOneAfterAnother) {
  const PhiloxKey key = {0x12345678, 0x9abcdef0};
  OnEveryTarget([&] {
    for (const PhiloxCounter& start :
         {PhiloxCounter{0, 0, 0, 0}, PhiloxCounter{0xfffffffe, 6, 7, 8}}) {
      const uint64_t first_block = uint64_t{start[1]} << 32 | start[0];
      for (uint64_t first = 0; first < 9; ++first) {
        for (size_t size = 0; size < 130; ++size) {
          std::vector<uint32_t> words(size + 1, 99);
          PhiloxWords(start, key, first, {words.data(), size});
          EXPECT_EQ(words[size], 99);
          for (size_t i = 0; i < size; ++i) {
            const uint64_t block = first_block + (first + i) / 4;
            const Words expected = Philox4x32(
                {static_cast<uint32_t>(block),
                 static_cast<uint32_t>(block >> 32), start[2], start[3]},
                key);
            ASSERT_EQ(words[i], expected[(first + i) % 4])
                << first << " " << size << " " << i;
          }
        }
      }
    }
  });
}

TEST(PhiloxTest, WordNumbersBeyond32BitsCount) {
  uint32_t word = 0;
  PhiloxWords({}, {1, 2}, (uint64_t{5} << 34) + 7, {&word, 1});
  EXPECT_EQ(word, Philox4x32({1, 5, 0, 0}, {1, 2})[3]);
}

}  // namespace
}  // namespace backprop::testing
