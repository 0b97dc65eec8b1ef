// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/file_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <string>

namespace backprop::cli {
namespace {

class FileBytesTest : public ::testing::Test {
 protected:
  FileBytesTest()
      : folder_(
            std::filesystem::path(::testing::TempDir()) /
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FileBytesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }

  const std::filesystem::path folder_;
  // Larger than one read, and not compressible to nothing.
  const std::string text_ = [] {
    std::string text;
    for (unsigned i = 0; i < 400'000; ++i)
      text += std::to_string(i * 2654435761U);
    return text;
  }();
};

TEST_F(FileBytesTest, WhatIsWrittenIsRead) {
  ASSERT_TRUE(WriteFile(Path("plain"), text_, IfThere::kRefuse).ok());
  EXPECT_EQ(*ReadFile(Path("plain")), text_);
}

TEST_F(FileBytesTest, GzipIsDecompressed) {
  gzFile file = gzopen(Path("f.gz").c_str(), "wb");
  gzwrite(file, text_.data(), static_cast<unsigned>(text_.size()));
  gzclose(file);
  EXPECT_EQ(*ReadFile(Path("f.gz")), text_);

  std::filesystem::resize_file(Path("f.gz"),
                               std::filesystem::file_size(Path("f.gz")) / 2);
  const absl::Status cut = ReadFile(Path("f.gz")).status();
  EXPECT_EQ(cut.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(cut.message()), ::testing::HasSubstr("complete?"));
}

TEST_F(FileBytesTest, MissingFileAndFolderAreNamed) {
  EXPECT_THAT(std::string(ReadFile(Path("none")).status().message()),
              ::testing::HasSubstr("none: No such file"));
  EXPECT_THAT(std::string(ReadFile(folder_).status().message()),
              ::testing::HasSubstr("is a directory"));
}

}  // namespace
}  // namespace backprop::cli
