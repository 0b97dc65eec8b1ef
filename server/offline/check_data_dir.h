// SPDX-License-Identifier: Apache-2.0
//
// Whether what a server left in its data directory is what it wrote, and would
// be brought back: `backpropd check`.
#ifndef BACKPROP_SERVER_OFFLINE_CHECK_DATA_DIR_H_
#define BACKPROP_SERVER_OFFLINE_CHECK_DATA_DIR_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace backprop {

struct CheckedDataDir {
  size_t sessions = 0;
  size_t checkpoints = 0;
  size_t bytes = 0;  // of the sessions' pieces
  size_t faults = 0;
};

// Holds the directory meanwhile, verifies every record, then brings each
// session and each of its checkpoints into memory, one at a time. Tells `fault`
// of each thing that is wrong, in one line with the session's id. Changes
// nothing that is stored. Fails where nothing can be said of the directory:
// there is no database, it can't be read, or another process holds it, who is
// named.
absl::StatusOr<CheckedDataDir> CheckDataDir(
    const std::string& data_dir,
    const std::function<void(std::string_view)>& fault);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OFFLINE_CHECK_DATA_DIR_H_
