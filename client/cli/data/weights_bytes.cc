// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/weights_bytes.h"

#include "client/cli/data/npy_writer.h"

namespace backprop::cli {

std::string WeightsBytes(const std::string& path,
                         std::span<const float> weights) {
  if (path.ends_with(".npy")) return NpyBytes(weights);
  return {reinterpret_cast<const char*>(weights.data()), weights.size_bytes()};
}

}  // namespace backprop::cli
