// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_WEIGHTS_BYTES_H_
#define BACKPROP_CLIENT_CLI_DATA_WEIGHTS_BYTES_H_

#include <span>
#include <string>

namespace backprop::cli {

// What a file of weights holds, in the order of the layout: NumPy's format if
// its path ends in .npy, else little-endian float32 and nothing else.
std::string WeightsBytes(const std::string& path,
                         std::span<const float> weights);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_WEIGHTS_BYTES_H_
