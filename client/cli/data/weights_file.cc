// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/weights_file.h"

#include "absl/strings/str_cat.h"
#include "client/cli/data/file_bytes.h"
#include "client/cli/data/npy_writer.h"

namespace backprop::cli {

absl::Status WriteWeights(const std::string& path,
                          std::span<const float> weights) {
  absl::Status status = WriteFile(
      path, path.ends_with(".npy")
                ? NpyBytes(weights)
                : std::string(reinterpret_cast<const char*>(weights.data()),
                              weights.size_bytes()));
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("--output: ", status.message()));
}

}  // namespace backprop::cli
