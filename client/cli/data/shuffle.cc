// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/shuffle.h"

#include <numeric>
#include <utility>

namespace backprop::cli {
namespace {

uint64_t SplitMix64(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

std::vector<uint32_t> ShuffledOrder(size_t count, uint64_t seed,
                                    uint64_t epoch) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  uint64_t state = seed;
  state = SplitMix64(state) + epoch;
  for (size_t i = count; i > 1; --i) {
    // The remainder's bias, below 2^-32 for so few samples, does not matter.
    const size_t j = SplitMix64(state) % i;
    std::swap(order[i - 1], order[j]);
  }
  return order;
}

}  // namespace backprop::cli
