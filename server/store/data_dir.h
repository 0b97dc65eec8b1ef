// SPDX-License-Identifier: Apache-2.0
//
// The folder in which a server keeps what survives it, and who holds it.
#ifndef BACKPROP_SERVER_STORE_DATA_DIR_H_
#define BACKPROP_SERVER_STORE_DATA_DIR_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace backprop {

// Makes the folder, and those that it lies in, for nobody but the user; one
// that is there stays as it is.
absl::Status MakeFolder(const std::string& path);

// Afterwards the names in the folder survive a loss of power.
absl::Status SyncFolder(const std::string& path);

// A folder that this process alone uses, from here on until it is gone, or the
// process is, however that ends: the kernel lets go of what a dead process
// held. It is held by a lock on the file `lock` in it, whose text says by whom.
class DataDir {
 public:
  // Makes the folder if need be. address: where this server is reached, for
  // those who are refused. Fails with FAILED_PRECONDITION, naming the holder,
  // where another has it.
  static absl::StatusOr<DataDir> Hold(const std::string& path,
                                      std::string_view address);

  DataDir(DataDir&& other) noexcept
      : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();

  const std::string& path() const { return path_; }

 private:
  DataDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_;  // descriptor
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_DATA_DIR_H_
