// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_STORE_TEMPORARY_FOLDER_H_
#define BACKPROP_TESTS_SERVER_STORE_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace backprop::testing {

// A folder of its own that goes with it. In memory, where the machine has such
// a place: tests that make ten thousand stores wait for no disk.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_((std::filesystem::exists("/dev/shm") ? "/dev/shm/"
                                                   : ::testing::TempDir()) +
              "store-XXXXXX") {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_STORE_TEMPORARY_FOLDER_H_
