// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_SHUFFLE_H_
#define BACKPROP_CLIENT_CLI_DATA_SHUFFLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace backprop::cli {

// 0 … count−1 in a random order that is the same on every machine for one seed
// and epoch (Fisher–Yates; SplitMix64, Steele et al. 2014).
std::vector<uint32_t> ShuffledOrder(size_t count, uint64_t seed,
                                    uint64_t epoch);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_SHUFFLE_H_
