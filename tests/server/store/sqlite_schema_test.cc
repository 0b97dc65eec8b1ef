// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/store/sqlite_store.h"
#include "tests/server/store/changes.h"
#include "tests/server/store/raw_database.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SqliteSchemaTest : public ::testing::Test {
 protected:
  SqliteSchemaTest() { EXPECT_TRUE(Opening().ok()); }

  absl::Status Opening() { return OpenSqliteStore(folder_.path()).status(); }
  std::string Refusal() {
    const absl::Status refused = Opening();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    return std::string(refused.message());
  }
  void Do(const std::string& sql) { RawDatabase(folder_.path()).Do(sql); }

  TemporaryFolder folder_;
};

TEST_F(SqliteSchemaTest, ANewerVersionIsRefused) {
  Do("PRAGMA user_version = 3");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(folder_.File("sessions.db")),
                               HasSubstr("schema version 3"),
                               HasSubstr("knows version 2")));
  Do("PRAGMA user_version = 2");
  EXPECT_TRUE(Opening().ok());
}

TEST_F(SqliteSchemaTest, AnotherProgramsDatabaseIsRefused) {
  Do("PRAGMA application_id = 77");
  EXPECT_THAT(Refusal(), AllOf(HasSubstr(folder_.File("sessions.db")),
                               HasSubstr("application_id is 77")));
}

TEST_F(SqliteSchemaTest, AnotherTableIsRefused) {
  Do("ALTER TABLE pieces RENAME COLUMN kind TO sort");
  EXPECT_THAT(Refusal(), HasSubstr("table pieces"));
  Do("DROP TABLE pieces");
  EXPECT_THAT(Refusal(), HasSubstr("table pieces"));
}

TEST_F(SqliteSchemaTest, WhatIsNoDatabaseIsRefused) {
  std::ofstream(folder_.File("sessions.db")) << std::string(100'000, 'x');
  EXPECT_EQ(Opening().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SqliteSchemaTest, AnEmptyFileIsNotTakenForANewStore) {
  std::filesystem::resize_file(folder_.File("sessions.db"), 0);
  EXPECT_FALSE(Opening().ok());
}

TEST_F(SqliteSchemaTest, ALogWhoseDatabaseIsGoneIsNotOverwritten) {
  std::filesystem::remove(folder_.File("sessions.db"));
  std::ofstream(folder_.File("sessions.db-wal")) << "log";
  EXPECT_EQ(Opening().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(folder_.File("sessions.db-wal"));
  EXPECT_TRUE(Opening().ok());
}

TEST_F(SqliteSchemaTest, AnUnfinishedFileOfAnEarlierStartIsMadeAnew) {
  std::filesystem::remove(folder_.File("sessions.db"));
  std::ofstream(folder_.File("sessions.db.new")) << "half";
  EXPECT_TRUE(Opening().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.File("sessions.db.new")));
}

}  // namespace
}  // namespace backprop::testing
