// SPDX-License-Identifier: Apache-2.0
//
// Philox4x32-10, a counter-based generator: numbered words, each computed from
// its number and a key alone (Salmon et al., SC 2011, "Parallel random numbers:
// as easy as 1, 2, 3").
#ifndef BACKPROP_ENGINE_RANDOM_PHILOX_H_
#define BACKPROP_ENGINE_RANDOM_PHILOX_H_

#include <array>
#include <cstdint>
#include <span>

namespace backprop {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// (low 32 bits, high 32 bits)
constexpr PhiloxKey PhiloxKeyOf(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

// One block.
std::array<uint32_t, 4> Philox4x32(PhiloxCounter counter, PhiloxKey key);

// words[i] is word number w = first_word + i of a stream: word w mod 4 of the
// block whose counter is `start` with ⌊w/4⌋ added to the 64-bit number in its
// first two words (low, high). Vectorised, for the CPU that it runs on.
void PhiloxWords(PhiloxCounter start, PhiloxKey key, uint64_t first_word,
                 std::span<uint32_t> words);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_RANDOM_PHILOX_H_
