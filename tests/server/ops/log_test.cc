// SPDX-License-Identifier: Apache-2.0
#include "server/ops/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace backprop {
namespace {

using std::string_view_literals::operator""sv;

using Json = nlohmann::json;

// What log writes to standard error, line by line; each must be JSON.
template <typename Function>
std::vector<Json> LinesOf(Function log) {
  testing::internal::CaptureStderr();
  log();
  FlushLog(std::chrono::minutes(1));
  std::istringstream text(testing::internal::GetCapturedStderr());
  std::vector<Json> lines;
  for (std::string line; std::getline(text, line);) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_FALSE(lines.back().is_discarded()) << line;
  }
  return lines;
}

TEST(LogTest, ALineHoldsTimeLevelMessageAndFields) {
  const auto lines = LinesOf([] {
    Log(LogLevel::kWarning, "slow",
        {{"text", std::string_view("a")},
         {"signed", int64_t{-3}},
         {"unsigned", uint64_t{18446744073709551615U}},
         {"real", 0.25},
         {"truth", true}});
  });
  ASSERT_EQ(lines.size(), 1);
  const Json& line = lines[0];
  EXPECT_TRUE(
      std::regex_match(line["time"].get<std::string>(),
                       std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")))
      << line;
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "slow");
  EXPECT_EQ(line["text"], "a");
  EXPECT_EQ(line["signed"], -3);
  EXPECT_EQ(line["unsigned"], 18446744073709551615U);
  EXPECT_EQ(line["real"], 0.25);
  EXPECT_EQ(line["truth"], true);
}

TEST(LogTest, HostileTextStaysOneParsableLine) {
  constexpr std::string_view hostile = "\"}\n{%v {}%n \\ \x01 \xff\xfe \0 ü"sv;
  const auto lines = LinesOf([hostile] {
    Log(LogLevel::kError, hostile, {{hostile, hostile}});
  });
  ASSERT_EQ(lines.size(), 1);
  const auto message = lines[0]["message"].get<std::string>();
  EXPECT_EQ(message.substr(0, 11), "\"}\n{%v {}%n");
  EXPECT_NE(message.find("\xEF\xBF\xBD"), std::string::npos)
      << "invalid UTF-8 becomes the replacement character";
}

TEST(LogTest, LinesBelowTheLevelAreNotWritten) {
  const auto lines = LinesOf([] {
    EXPECT_TRUE(SetLogLevel("warning"));
    Log(LogLevel::kInfo, "hidden");
    Log(LogLevel::kWarning, "shown");
    EXPECT_TRUE(SetLogLevel("off"));
    Log(LogLevel::kError, "hidden");
    EXPECT_TRUE(SetLogLevel("info"));
    Log(LogLevel::kDebug, "hidden");
  });
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0]["message"], "shown");
}

TEST(LogTest, LinesOfManyThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  const auto lines = LinesOf([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([] {
        for (int j = 0; j < kLines; ++j) {
          Log(LogLevel::kInfo, "busy", {{"text", std::string(300, 'x')}});
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_EQ(lines.size(), kThreads * kLines);
}

// Standard error is a pipe while it lives.
class Pipe {
 public:
  Pipe() : before_(dup(STDERR_FILENO)) {
    EXPECT_EQ(pipe(ends_), 0);
    dup2(ends_[1], STDERR_FILENO);
    close(ends_[1]);
  }
  ~Pipe() {
    Restore();
    close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void Restore() {
    if (before_ < 0) return;
    dup2(before_, STDERR_FILENO);
    close(std::exchange(before_, -1));
  }

  // Up to the pipe's end.
  std::string Read() {
    std::string all;
    char piece[65536];
    for (ssize_t got = 0; (got = read(ends_[0], piece, sizeof(piece))) > 0;) {
      all.append(piece, static_cast<size_t>(got));
    }
    return all;
  }

 private:
  int before_;
  int ends_[2] = {};
};

TEST(LogTest, APipeThatIsNotReadHoldsNobodyUp) {
  constexpr uint64_t kLines = 20000;
  const uint64_t dropped_before = LogLinesDropped();
  Pipe pipe;
  for (uint64_t i = 0; i < kLines; ++i) {
    Log(LogLevel::kInfo, "unread", {{"line", i}});
  }
  const uint64_t dropped = LogLinesDropped() - dropped_before;
  FlushLog(std::chrono::milliseconds(1));  // gives up
  std::string text;
  std::thread reader([&] { text = pipe.Read(); });
  FlushLog(std::chrono::minutes(1));
  pipe.Restore();
  reader.join();
  EXPECT_GT(dropped, 0);
  std::istringstream lines(text);
  uint64_t read = 0;
  Json last;
  for (std::string line; std::getline(lines, line); ++read) {
    last = Json::parse(line, nullptr, false);
    ASSERT_FALSE(last.is_discarded()) << line;
  }
  EXPECT_EQ(last["line"], kLines - 1) << "the newest are kept";
  EXPECT_EQ(read + dropped, kLines) << "each is written or counted";
}

}  // namespace
}  // namespace backprop
