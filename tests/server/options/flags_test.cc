// SPDX-License-Identifier: Apache-2.0
#include "server/options/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "server/ops/log.h"

namespace backprop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<Invocation> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "backpropd");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data());
}

std::string ErrorOf(const std::vector<const char*>& arguments) {
  const auto parsed = Parse(arguments);
  return parsed.ok() ? "no error" : std::string(parsed.status().message());
}

// An environment variable for the length of a test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    setenv(name, value, 1);
  }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(FlagsTest, DefaultsAreThoseOfTheStruct) {
  const auto parsed = Parse({});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const ServerOptions defaults;
  EXPECT_EQ(parsed->command, Command::kServe);
  EXPECT_EQ(parsed->options.grpc_address, defaults.grpc_address);
  EXPECT_EQ(parsed->options.max_sessions, defaults.max_sessions);
  EXPECT_EQ(parsed->options.max_message_bytes, defaults.max_message_bytes);
  EXPECT_EQ(parsed->options.log_level, defaults.log_level);
}

TEST(FlagsTest, EveryFlagReachesItsField) {
  const auto parsed = Parse(
      {"--grpc-address=[::1]:1", "--http-address=localhost:2",
       "--max-sessions=3", "--max-session-weights=4", "--max-total-weights=5",
       "--max-message-bytes=6000", "--max-queued-bytes=7",
       "--max-held-bytes=13", "--max-undurable-bytes=12",
       "--max-history-bytes=14", "--max-pending-calls=10",
       "--compute-threads=8", "--drain-seconds=9", "--log-level", "debug"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const ServerOptions& options = parsed->options;
  EXPECT_EQ(options.grpc_address, "[::1]:1");
  EXPECT_EQ(options.http_address, "localhost:2");
  EXPECT_EQ(options.max_sessions, 3);
  EXPECT_EQ(options.max_session_weights, 4);
  EXPECT_EQ(options.max_total_weights, 5);
  EXPECT_EQ(options.max_message_bytes, 6000);
  EXPECT_EQ(options.max_queued_bytes, 7);
  EXPECT_EQ(options.max_held_bytes, 13);
  EXPECT_EQ(options.max_undurable_bytes, 12);
  EXPECT_EQ(options.max_history_bytes, 14);
  EXPECT_EQ(options.max_pending_calls, 10);
  EXPECT_EQ(options.compute_threads, 8);
  EXPECT_EQ(options.drain_seconds, 9);
  EXPECT_EQ(options.log_level, "debug");
}

TEST(FlagsTest, AFlagWinsOverTheEnvironmentAndThatOverTheDefault) {
  const Environment sessions("BACKPROPD_MAX_SESSIONS", "11");
  const Environment threads("BACKPROPD_COMPUTE_THREADS", "2");
  const auto parsed = Parse({"--max-sessions", "12"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->options.max_sessions, 12);
  EXPECT_EQ(parsed->options.compute_threads, 2);
}

TEST(FlagsTest, AnEmptyEnvironmentVariableCountsAsNotSet) {
  const Environment sessions("BACKPROPD_MAX_SESSIONS", "");
  const auto parsed = Parse({});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->options.max_sessions, ServerOptions().max_sessions);
}

TEST(FlagsTest, AMisspeltEnvironmentVariableIsToldWithTheNearest) {
  const Environment sessions("BACKPROPD_MAX_SESION", "11");
  auto parsed = Parse({});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->strays.size(), 1);
  EXPECT_EQ(parsed->strays[0].name, "BACKPROPD_MAX_SESION");
  EXPECT_EQ(parsed->strays[0].nearest, "BACKPROPD_MAX_SESSIONS");
  parsed = Parse({"healthcheck"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->strays.empty());
}

TEST(FlagsTest, ABadNumberIsRefusedWithItsFlagAndRange) {
  for (const char* bad :
       {"-1", "0", "", " 5", "+5", "1.5", "1e3", "0x10", "12k", "1000000001",
        "18446744073709551616", "99999999999999999999999"}) {
    const std::string flag = std::string("--max-sessions=") + bad;
    EXPECT_THAT(ErrorOf({flag.c_str()}), AllOf(HasSubstr("--max-sessions"),
                                               HasSubstr("1 to 1000000000")))
        << flag;
  }
  EXPECT_THAT(ErrorOf({"--max-sessions", "-1"}),
              AllOf(HasSubstr("--max-sessions"), HasSubstr("\"-1\"")));
}

TEST(FlagsTest, ABadEnvironmentVariableIsNamed) {
  const Environment seconds("BACKPROPD_DRAIN_SECONDS", "-1");
  EXPECT_THAT(ErrorOf({}), AllOf(HasSubstr("BACKPROPD_DRAIN_SECONDS"),
                                 HasSubstr("0 to 3600")));
}

TEST(FlagsTest, ABadAddressIsRefusedWithItsFlag) {
  for (const char* bad :
       {"", "localhost", ":80", "127.0.0.1:", "h:65536", "h:-1", "::1:80",
        "[::1]", "[]:80", "h:80x", "http://h:80"}) {
    const std::string flag = std::string("--grpc-address=") + bad;
    EXPECT_THAT(ErrorOf({flag.c_str()}),
                AllOf(HasSubstr("--grpc-address"), HasSubstr("host:port")))
        << flag;
  }
}

TEST(FlagsTest, EveryLevelThatIsAcceptedIsOneTheLogKnows) {
  for (const char* level :
       {"trace", "debug", "info", "warning", "error", "off"}) {
    EXPECT_TRUE(Parse({"--log-level", level}).ok()) << level;
    EXPECT_TRUE(SetLogLevel(level)) << level;
  }
  EXPECT_FALSE(SetLogLevel("loud"));
  EXPECT_THAT(ErrorOf({"--log-level", "loud"}),
              AllOf(HasSubstr("--log-level"), HasSubstr("warning")));
  SetLogLevel("info");
}

TEST(FlagsTest, WhatIsNotAFlagIsRefusedByName) {
  EXPECT_THAT(ErrorOf({"--max-session", "3"}), HasSubstr("--max-session"));
  EXPECT_THAT(ErrorOf({"serve"}), HasSubstr("serve"));
  EXPECT_THAT(ErrorOf({"--max-sessions"}), HasSubstr("--max-sessions"));
  EXPECT_THAT(ErrorOf({"--max-sessions", "1", "--max-sessions", "2"}),
              HasSubstr("--max-sessions"));
}

TEST(FlagsTest, HelpShowsEachFlagWithUnitAndDefault) {
  const auto parsed = Parse({"--help"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kPrintAndExit);
  for (const char* expected :
       {"--grpc-address", "HOST:PORT", "127.0.0.1:50051", "--max-message-bytes",
        "BYTES", "16777216", "--drain-seconds", "SECONDS",
        "--max-total-weights", "BACKPROPD_MAX_SESSIONS", "healthcheck"}) {
    EXPECT_THAT(parsed->text, HasSubstr(expected));
  }
}

TEST(FlagsTest, VersionIsOneLine) {
  const auto parsed = Parse({"--version"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kPrintAndExit);
  EXPECT_EQ(parsed->text, "backpropd " BACKPROP_VERSION "\n");
}

TEST(FlagsTest, CheckTakesADirectoryAndNoFlagOfTheServer) {
  const auto parsed = Parse({"check", "some/where"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, Command::kCheck);
  EXPECT_EQ(parsed->options.data_dir, "some/where");
  EXPECT_THAT(ErrorOf({"check"}), HasSubstr("DATA_DIR"));
  EXPECT_THAT(ErrorOf({"check", "some/where", "--max-sessions=3"}),
              HasSubstr("--max-sessions"));
  const auto help = Parse({"check", "--help"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_THAT(help->text, HasSubstr("DATA_DIR"));
}

TEST(FlagsTest, ExportTakesADirectoryASessionAndAFile) {
  const auto plain = Parse({"export", "some/where", "s-1", "s.safetensors"});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->command, Command::kExport);
  EXPECT_EQ(plain->options.data_dir, "some/where");
  EXPECT_EQ(plain->exported.session_id, "s-1");
  EXPECT_EQ(plain->exported.file, "s.safetensors");
  EXPECT_FALSE(plain->exported.with_state || plain->exported.force);
  const auto all =
      Parse({"export", "--force", "some/where", "--with-state", "s-1", "s"});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->exported.with_state && all->exported.force);
  EXPECT_EQ(all->exported.file, "s");
  EXPECT_THAT(ErrorOf({"export", "some/where"}), HasSubstr("SESSION"));
  EXPECT_THAT(ErrorOf({"export", "some/where", "s-1"}), HasSubstr("FILE"));
  EXPECT_THAT(ErrorOf({"export", "a", "b", "c", "--max-sessions=3"}),
              HasSubstr("--max-sessions"));
  const auto help = Parse({"export", "--help"});
  ASSERT_TRUE(help.ok()) << help.status();
  EXPECT_THAT(help->text, HasSubstr("No server may run"));
}

TEST(FlagsTest, HealthcheckTakesTheAddressOnEitherSide) {
  for (const auto& arguments :
       {std::vector{"healthcheck", "--http-address", "h:1"},
        std::vector{"--http-address", "h:1", "healthcheck"}}) {
    const auto parsed = Parse(arguments);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->command, Command::kHealthcheck);
    EXPECT_EQ(parsed->options.http_address, "h:1");
  }
}

}  // namespace
}  // namespace backprop
