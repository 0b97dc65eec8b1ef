// SPDX-License-Identifier: Apache-2.0
#include "server/offline/hold_data_dir.h"

#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite_schema.h"

namespace backprop {

absl::StatusOr<DataDir> HoldDataDir(const std::string& data_dir,
                                    std::string_view command) {
  std::error_code error;
  const std::string path = StoreFileIn(data_dir);
  if (std::filesystem::exists(path, error)) {
    return DataDir::Hold(data_dir, "none: it is " + std::string(command));
  }
  return absl::NotFoundError(
      error ? absl::StrCat("can't look for ", path, ": ", error.message())
            : absl::StrCat("there is no ", path,
                           ": name the --data-dir of a server, one that has "
                           "run on it"));
}

}  // namespace backprop
