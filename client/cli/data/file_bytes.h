// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_DATA_FILE_BYTES_H_
#define BACKPROP_CLIENT_CLI_DATA_FILE_BYTES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/interchange/whole_file.h"

namespace backprop::cli {

// All bytes of a file, decompressed if it is gzip's; "-" is standard input.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Writes a file as WriteWhole does; "-" is standard output.
absl::Status WriteFile(const std::string& path, const std::string& bytes,
                       IfThere if_there);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_DATA_FILE_BYTES_H_
