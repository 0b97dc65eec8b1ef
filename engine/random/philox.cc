// SPDX-License-Identifier: Apache-2.0
#include "engine/random/philox.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/random/philox.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "hwy/highway.h"

#ifndef BACKPROP_ENGINE_PHILOX_CONSTANTS_
#define BACKPROP_ENGINE_PHILOX_CONSTANTS_
namespace backprop {
namespace {

// The paper's.
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;
constexpr size_t kBlockWords = 4;

}  // namespace

inline std::array<uint32_t, 4> Block(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

}  // namespace backprop
#endif  // BACKPROP_ENGINE_PHILOX_CONSTANTS_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

constexpr size_t kMostBlocks = 1;
size_t BlocksAtOnce() { return 1; }

void StoreBlocks(uint64_t first, uint64_t above, PhiloxKey key,
                 uint32_t* words) {
  const auto block =
      Block({static_cast<uint32_t>(first), static_cast<uint32_t>(first >> 32),
             static_cast<uint32_t>(above), static_cast<uint32_t>(above >> 32)},
            key);
  std::copy(block.begin(), block.end(), words);
}

#else

// As many blocks at once as a vector has 64-bit lanes: block first + b in lane
// b, with one vector for each of its four words. Only the lower half of a lane
// counts.
using Blocks = hn::ScalableTag<uint64_t>;

constexpr size_t kMostBlocks = hn::MaxLanes(Blocks());
size_t BlocksAtOnce() { return hn::Lanes(Blocks()); }

void StoreBlocks(uint64_t first, uint64_t above, PhiloxKey key,
                 uint32_t* words) {
  const Blocks d;
  const hn::Repartition<uint32_t, Blocks> halves;
  const auto counter = hn::Add(hn::Set(d, first), hn::Iota(d, 0));
  auto c0 = counter;
  auto c1 = hn::ShiftRight<32>(counter);
  auto c2 = hn::Set(d, above);
  auto c3 = hn::Set(d, above >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const auto product0 =
        hn::MulEven(hn::BitCast(halves, c0), hn::Set(halves, kMultiplier0));
    const auto product1 =
        hn::MulEven(hn::BitCast(halves, c2), hn::Set(halves, kMultiplier1));
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product1), c1),
                 hn::Set(d, uint64_t{key[0]}));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(product0), c3),
                 hn::Set(d, uint64_t{key[1]}));
    c1 = product1;
    c3 = product0;
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  const auto lower = hn::Set(d, uint64_t{0xFFFFFFFF});
  hn::StoreInterleaved2(hn::Or(hn::And(c0, lower), hn::ShiftLeft<32>(c1)),
                        hn::Or(hn::And(c2, lower), hn::ShiftLeft<32>(c3)), d,
                        reinterpret_cast<uint64_t*>(words));
}

#endif  // HWY_TARGET == HWY_SCALAR

void FillWords(PhiloxCounter start, PhiloxKey key, uint64_t first_word,
               uint32_t* words, size_t size) {
  const size_t blocks = BlocksAtOnce();
  const uint64_t above = uint64_t{start[3]} << 32 | start[2];
  uint64_t block =
      (uint64_t{start[1]} << 32 | start[0]) + first_word / kBlockWords;
  size_t skip = first_word % kBlockWords;
  HWY_ALIGN uint32_t buffer[kBlockWords * kMostBlocks];
  for (size_t done = 0; done < size; block += blocks) {
    const size_t ready = blocks * kBlockWords - skip;
    if (skip == 0 && ready <= size - done) {
      StoreBlocks(block, above, key, words + done);
      done += ready;
      continue;
    }
    StoreBlocks(block, above, key, buffer);
    const size_t n = std::min(ready, size - done);
    std::copy_n(buffer + skip, n, words + done);
    done += n;
    skip = 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

std::array<uint32_t, 4> Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  return Block(counter, key);
}

HWY_EXPORT(FillWords);

void PhiloxWords(PhiloxCounter start, PhiloxKey key, uint64_t first_word,
                 std::span<uint32_t> words) {
  HWY_DYNAMIC_DISPATCH(FillWords)
  (start, key, first_word, words.data(), words.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
