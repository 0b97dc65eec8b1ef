// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_OFFLINE_HOLD_DATA_DIR_H_
#define BACKPROP_SERVER_OFFLINE_HOLD_DATA_DIR_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/store/data_dir.h"

namespace backprop {

// The data directory of a server that does not run, which none can start on
// until this is gone; command: who has it meanwhile, for those who are refused.
// Makes nothing: fails with NOT_FOUND where there is no database, and as
// DataDir::Hold does where another process has it, who is named.
absl::StatusOr<DataDir> HoldDataDir(const std::string& data_dir,
                                    std::string_view command);

}  // namespace backprop

#endif  // BACKPROP_SERVER_OFFLINE_HOLD_DATA_DIR_H_
