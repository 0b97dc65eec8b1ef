// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_WEIGHTS_FILE_H_
#define BACKPROP_CLIENT_CLI_DATA_WEIGHTS_FILE_H_

#include <span>
#include <string>

#include "absl/status/status.h"

namespace backprop::cli {

// Writes weights in the order of the layout: in NumPy's format if the path ends
// in .npy, else as little-endian float32 and nothing else. "-" is standard
// output. Whole or not at all. Errors name --output.
absl::Status WriteWeights(const std::string& path,
                          std::span<const float> weights);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_WEIGHTS_FILE_H_
