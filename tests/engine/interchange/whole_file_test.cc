// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/whole_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace backprop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr uid_t kNobody = 65534;

class WholeFileTest : public ::testing::Test {
 protected:
  WholeFileTest()
      : folder_(
            std::filesystem::path(::testing::TempDir()) /
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~WholeFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }

  void Make(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name)) << bytes;
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& each : std::filesystem::directory_iterator(folder_)) {
      names.push_back(each.path().filename());
    }
    return names;
  }

  const std::filesystem::path folder_;
};

TEST_F(WholeFileTest, AllBytesAreThereAndNothingElse) {
  const std::string bytes("a\0b\n", 4);
  for (const IfThere each : {IfThere::kRefuse, IfThere::kReplace}) {
    const absl::Status status = WriteWhole(Path("f"), bytes, each);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Read("f"), bytes);
    EXPECT_THAT(Names(), ElementsAre("f"));
  }
}

TEST_F(WholeFileTest, ItIsOpenToWhomTheUserOpensNewFiles) {
  const mode_t before = umask(0027);
  ASSERT_TRUE(WriteWhole(Path("f"), "new", IfThere::kRefuse).ok());
  umask(before);
  EXPECT_EQ(static_cast<int>(std::filesystem::status(Path("f")).permissions()),
            0640);
}

TEST_F(WholeFileTest, WhatIsThereIsReplacedOnlyWhereThatIsWanted) {
  Make("f", "old");
  EXPECT_TRUE(
      absl::IsAlreadyExists(WriteWhole(Path("f"), "new", IfThere::kRefuse)));
  EXPECT_EQ(Read("f"), "old");
  std::filesystem::create_symlink("nowhere", Path("link"));
  EXPECT_TRUE(
      absl::IsAlreadyExists(WriteWhole(Path("link"), "new", IfThere::kRefuse)));
  EXPECT_THAT(Names(), UnorderedElementsAre("f", "link"));
  ASSERT_TRUE(WriteWhole(Path("f"), "new", IfThere::kReplace).ok());
  EXPECT_EQ(Read("f"), "new");
}

TEST_F(WholeFileTest, FilesAndLinksWithTheNamesOfPartialOnesStay) {
  Make("f.partial", "precious");
  Make("target", "precious");
  const std::string own = "f." + std::to_string(getpid());
  Make(own + "-0.partial", "precious");
  std::filesystem::create_symlink("target", Path(own + "-1.partial"));
  ASSERT_TRUE(WriteWhole(Path("f"), "new", IfThere::kRefuse).ok());
  EXPECT_EQ(Read("f"), "new");
  for (const std::string& name :
       {std::string("f.partial"), own + "-0.partial", own + "-1.partial"}) {
    EXPECT_EQ(Read(name), "precious") << name;
  }
  EXPECT_EQ(Names().size(), 5);
}

TEST_F(WholeFileTest, WhatCannotBeWrittenIsNamedAndNothingIsLeft) {
  const absl::Status nowhere =
      WriteWhole(Path("none/f"), "new", IfThere::kRefuse);
  EXPECT_TRUE(absl::IsInternal(nowhere));
  EXPECT_THAT(std::string(nowhere.message()),
              HasSubstr("cannot write " + Path("none/f") + ": No such file"));
  std::filesystem::create_directory(Path("folder"));
  Make("folder/f", "old");
  EXPECT_TRUE(
      absl::IsInternal(WriteWhole(Path("folder"), "new", IfThere::kReplace)));
  EXPECT_THAT(Names(), ElementsAre("folder"));
  EXPECT_EQ(Read("folder/f"), "old");
}

TEST_F(WholeFileTest, NamesWithoutAFolderAreOfTheCurrentOne) {
  std::filesystem::current_path(folder_);
  EXPECT_TRUE(WriteWhole("f", "new", IfThere::kRefuse).ok());
  std::filesystem::current_path("/");
  EXPECT_EQ(Read("f"), "new");
}

// As one who may not read everything: root may.
int WriteAsNobody(const std::string& file) {
  if (geteuid() == 0 && setuid(kNobody) != 0) return 2;
  return WriteWhole(file, "new", IfThere::kRefuse).ok() ? 0 : 1;
}

TEST_F(WholeFileTest, FoldersThatCannotBeReadCanBeWrittenTo) {
  ASSERT_EQ(chmod(folder_.c_str(), 0333), 0);
  EXPECT_EXIT(std::_Exit(WriteAsNobody(Path("f"))),
              ::testing::ExitedWithCode(0), "");
  ASSERT_EQ(chmod(folder_.c_str(), 0700), 0);
  EXPECT_EQ(Read("f"), "new");
}

}  // namespace
}  // namespace backprop
