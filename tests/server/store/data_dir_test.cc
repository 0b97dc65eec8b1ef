// SPDX-License-Identifier: Apache-2.0
#include "server/store/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Text(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// Another process that holds a folder until this is gone.
class Holder {
 public:
  explicit Holder(const std::string& folder) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    process_ = fork();
    if (process_ == 0) {
      const auto held = DataDir::Hold(folder, "10.0.0.1:50051");
      const char answer = held.ok() ? 'y' : 'n';
      if (write(ready[1], &answer, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char answer = 0;
    EXPECT_EQ(read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    close(ready[0]);
    close(ready[1]);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  // As kill -9 does.
  ~Holder() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  pid_t process() const { return process_; }

 private:
  pid_t process_;
};

TEST(DataDirTest, ASecondServerIsToldOfTheFirst) {
  const TemporaryFolder folder;
  std::optional<Holder> first(folder.path());
  const absl::Status refused = DataDir::Hold(folder.path(), "here:1").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr(folder.path()),
                    HasSubstr("pid " + std::to_string(first->process())),
                    HasSubstr("10.0.0.1:50051"), HasSubstr("--data-dir")));
  first.reset();
  EXPECT_TRUE(DataDir::Hold(folder.path(), "here:1").ok());
}

TEST(DataDirTest, HoldsUntilItIsGoneAndSaysWho) {
  const TemporaryFolder folder;
  {
    auto held = DataDir::Hold(folder.File("made"), "[::1]:50051");
    ASSERT_TRUE(held.ok()) << held.status();
    const DataDir moved = *std::move(held);
    EXPECT_EQ(moved.path(), folder.File("made"));
    EXPECT_THAT(Text(folder.File("made/lock")),
                AllOf(HasSubstr("pid " + std::to_string(getpid()) + " on "),
                      HasSubstr(" since 20"), HasSubstr("[::1]:50051\n")));
    EXPECT_FALSE(DataDir::Hold(folder.File("made"), "x").ok());
  }
  EXPECT_TRUE(DataDir::Hold(folder.File("made"), "x").ok());
}

TEST(DataDirTest, AHoldersTextIsShownHarmlessly) {
  const TemporaryFolder folder;
  const auto held = DataDir::Hold(folder.path(), "x");
  std::ofstream(folder.File("lock"))
      << "\x1b[31m" << std::string(5000, 'x') << "\nmore";
  const absl::Status refused = DataDir::Hold(folder.path(), "x").status();
  EXPECT_LT(refused.message().size(), 1000U);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("?[31mxxx"));
}

TEST(DataDirTest, AFileInTheWayIsNamed) {
  const TemporaryFolder folder;
  std::ofstream(folder.File("file")) << "x";
  const absl::Status refused = DataDir::Hold(folder.File("file"), "x").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(folder.File("file")));
  EXPECT_FALSE(DataDir::Hold(folder.File("file/below"), "x").ok());
  EXPECT_FALSE(DataDir::Hold("", "x").ok());
}

TEST(DataDirTest, FoldersAreMadeForTheirUserAloneAndKeptAsTheyAre) {
  const TemporaryFolder folder;
  ASSERT_TRUE(MakeFolder(folder.File("a/b/")).ok());
  struct stat found;
  ASSERT_EQ(stat(folder.File("a/b").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
  std::filesystem::permissions(folder.File("a/b"),
                               std::filesystem::perms(0750));
  ASSERT_TRUE(MakeFolder(folder.File("a/b")).ok());
  ASSERT_EQ(stat(folder.File("a/b").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0750U);
}

}  // namespace
}  // namespace backprop::testing
