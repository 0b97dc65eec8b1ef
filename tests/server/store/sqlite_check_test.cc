// SPDX-License-Identifier: Apache-2.0
//
// Damage that somebody has done to the rows, each kind by itself: who meets it,
// and what is said of it.
#include "server/store/sqlite_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/store/sqlite_store.h"
#include "tests/server/allocation_limit.h"
#include "tests/server/store/changes.h"
#include "tests/server/store/faulty_vfs.h"
#include "tests/server/store/raw_database.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr ChangeOutcome kTaken = ChangeOutcome::kTaken;
constexpr ChangeOutcome kDamaged = ChangeOutcome::kDamaged;

class SqliteCheckTest : public ::testing::Test {
 protected:
  SqliteCheckTest() {
    FaultyVfs::Get().Reset();
    auto store = Opened();
    EXPECT_TRUE(store
                    ->Commit(std::vector{
                        Creation("left", {Image(1, "one"), Image(2, "two")}),
                        Creation("right", {Image(1, "three")}),
                        NextEpoch("right", 1, 5)})
                    .ok());
    EXPECT_THAT(Faults(), IsEmpty());
  }

  std::unique_ptr<Store> Opened() {
    auto store = OpenSqliteStore(folder_.path());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void Do(const std::string& sql) { RawDatabase(folder_.path()).Do(sql); }
  std::vector<std::string> Faults() {
    std::vector<std::string> faults;
    const absl::Status checked = CheckSqliteStore(
        folder_.path(),
        [&](std::string_view fault) { faults.emplace_back(fault); });
    EXPECT_EQ(checked, absl::OkStatus());
    return faults;
  }
  // Of loading a session; its piece 1 where it can be loaded.
  std::string Loss(const std::string& id) {
    auto store = Opened();
    absl::Status status = store->Load(id).status();
    if (status.ok()) status = store->ReadPiece(id, 1).status();
    if (status.ok()) return "none";
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return std::string(status.message());
  }
  std::string OpeningLoss() {
    const absl::Status status = OpenSqliteStore(folder_.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return std::string(status.message());
  }

  TemporaryFolder folder_;
};

TEST_F(SqliteCheckTest, OtherBytesOfAPiece) {
  Do("UPDATE pieces SET bytes = x'6f6e66' WHERE bytes = x'6f6e65'");
  EXPECT_THAT(Loss("left"), HasSubstr("piece 1 of session left"));
  EXPECT_EQ(Loss("right"), "none");
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("piece 1 of session left")));
}

TEST_F(SqliteCheckTest, AnotherNameOfAPiece) {
  for (const char* const column :
       {"kind", "base_step", "step", "first_number", "bytes_hash", "hash"}) {
    SCOPED_TRACE(column);
    const std::string set = std::string("UPDATE pieces SET ") + column + " = ";
    const std::string where = " WHERE session = 1 AND number = 1";
    Do(set + column + " + 1" + where);
    EXPECT_THAT(Loss("left"), HasSubstr("piece 1 of session left"));
    EXPECT_THAT(Faults(), ElementsAre(HasSubstr("piece 1 of session left")));
    Do(set + column + " - 1" + where);
    EXPECT_EQ(Loss("left"), "none");
  }
}

TEST_F(SqliteCheckTest, APieceUnderAnotherNumberOrSession) {
  Do("UPDATE pieces SET number = 9 WHERE session = 1 AND number = 2");
  EXPECT_THAT(Loss("left"), HasSubstr("piece 9 of session left"));
  Do("UPDATE pieces SET number = 2, session = 2"
     " WHERE session = 1 AND number = 9");
  EXPECT_THAT(Loss("left"), HasSubstr("session left (its pieces: there are 1"));
  EXPECT_THAT(Loss("right"), HasSubstr("piece 2 of session right"));
  EXPECT_EQ(Faults().size(), 2U);
}

TEST_F(SqliteCheckTest, APieceThatHasVanishedOrComeBack) {
  Do("CREATE TABLE kept AS SELECT * FROM pieces WHERE session = 1");
  Opened()->Commit(std::vector{Advance("left", 1, 5, {}, {2})}).IgnoreError();
  EXPECT_THAT(Faults(), IsEmpty());
  Do("INSERT INTO pieces SELECT * FROM kept WHERE number = 2");
  EXPECT_THAT(Loss("left"), HasSubstr("there are 2, of 1"));
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("session left")));
  Do("DELETE FROM pieces WHERE session = 1");
  EXPECT_THAT(Loss("left"), HasSubstr("there are 0, of 1"));
  EXPECT_THAT(Faults(), ElementsAre(HasSubstr("session left")));
  EXPECT_EQ(Loss("right"), "none");
}

TEST_F(SqliteCheckTest, AHeadThatIsAnother) {
  for (const char* const column :
       {"key", "epoch", "step", "epochs", "epoch_hashes", "pieces",
        "piece_hashes", "piece_bytes", "hash"}) {
    SCOPED_TRACE(column);
    const std::string set =
        std::string("UPDATE sessions SET ") + column + " = " + column;
    Do(set + " + 1 WHERE id = 'left'");
    EXPECT_THAT(Loss("left"), HasSubstr("session left (its head)"));
    const auto heads = Opened()->List("", 9);
    ASSERT_TRUE(heads.ok() && heads->size() == 2U);
    EXPECT_EQ(heads->at(0).head.id, "left");
    EXPECT_EQ(heads->at(0).damage.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(heads->at(1).damage, absl::OkStatus());
    EXPECT_THAT(Faults(), Contains(HasSubstr("session left (its head)")));
    Do(set + " - 1 WHERE id = 'left'");
    EXPECT_EQ(Loss("left"), "none");
  }
  Do("UPDATE sessions SET body = x'00' WHERE id = 'left'");
  EXPECT_THAT(Loss("left"), HasSubstr("session left (its head)"));
  EXPECT_EQ(Loss("right"), "none");
}

// What was wrong stays so; the changes beside it are done.
TEST_F(SqliteCheckTest, NothingIsCommittedToWhatIsDamagedAndAllElseIs) {
  Do("UPDATE sessions SET step = 77 WHERE id = 'left'");
  Do("UPDATE pieces SET kind = 3 WHERE session = 2");
  auto store = Opened();
  const std::vector<std::string> before = Faults();
  const auto outcomes = store->Commit(std::vector{
      Advance("left", 1, 5), Creation("new", {Image(1, "one")}),
      Erasure("left", 1), Advance("right", 2, 5, {Image(2, "")}, {1}),
      Advance("new", 1, 5, {Image(2, "two")}, {1}),
      Advance("new", 1, 6, {}, {9}), Advance("new", 2, 6)});
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_THAT(*outcomes,
              ElementsAre(kDamaged, kTaken, kDamaged, kDamaged, kTaken,
                          kDamaged, ChangeOutcome::kOtherEpoch));
  EXPECT_EQ(Faults(), before);
  EXPECT_EQ(store->Load("new")->head.step, 5U);
  EXPECT_EQ(store->ReadPiece("new", 2).value_or(""), "two");
  // Nothing of it is read then.
  EXPECT_THAT(*store->Commit(std::vector{Erasure("right", 2)}),
              ElementsAre(kTaken));
}

// Of a page that SQLite can't read nobody knows whose it is.
TEST_F(SqliteCheckTest, ACommitThatMeetsAPageThatIsNoneFails) {
  Do("PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string root = RawDatabase(folder_.path())
                               .One(
                                   "SELECT rootpage FROM sqlite_schema"
                                   " WHERE name = 'epochs'");
  auto store = Opened();
  std::fstream bytes(folder_.File("sessions.db"),
                     std::ios::binary | std::ios::in | std::ios::out);
  bytes.seekp((std::stoll(root) - 1) * 16384);
  bytes << std::string(100, 'x');
  bytes.close();
  const auto change = std::vector{NextEpoch("right", 2, 9)};
  EXPECT_EQ(store->Commit(change).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SqliteCheckTest, EpochsThatAreOthers) {
  for (const char* const sql :
       {"UPDATE epochs SET first_step = 6 WHERE session = 2 AND epoch = 2",
        "DELETE FROM epochs WHERE session = 2 AND epoch = 2",
        "INSERT INTO epochs VALUES (2, 2, 5), (2, 3, 5)"}) {
    SCOPED_TRACE(sql);
    Do(sql);
    EXPECT_THAT(Loss("right"), HasSubstr("session right (its epochs)"));
    EXPECT_THAT(Faults(), ElementsAre(HasSubstr("session right (its epochs)")));
  }
}

TEST_F(SqliteCheckTest, ASessionThatHasVanishedOrAppeared) {
  Do("CREATE TABLE kept AS SELECT * FROM sessions WHERE id = 'left'");
  Do("DELETE FROM sessions WHERE id = 'left'");
  EXPECT_THAT(OpeningLoss(),
              AllOf(HasSubstr("1 sessions can be read"), HasSubstr("check")));
  EXPECT_THAT(
      Faults(),
      ElementsAre(HasSubstr("1 sessions can be read, 2 were written"),
                  HasSubstr("2 rows of table pieces belong to session key 1"),
                  HasSubstr("1 rows of table epochs belong to session key 1")));
  Do("INSERT INTO sessions SELECT * FROM kept");
  EXPECT_THAT(Faults(), IsEmpty());
  Do("UPDATE sessions SET id = 'lefT' WHERE id = 'left'");
  EXPECT_THAT(OpeningLoss(), HasSubstr("table sessions"));
}

TEST_F(SqliteCheckTest, TheRowOfAll) {
  for (const char* const column :
       {"commits", "next_key", "sessions", "session_hashes", "hash"}) {
    SCOPED_TRACE(column);
    const std::string set =
        std::string("UPDATE store SET ") + column + " = " + column;
    Do(set + " + 1");
    EXPECT_THAT(OpeningLoss(), HasSubstr("table store"));
    EXPECT_THAT(Faults(), ElementsAre(HasSubstr("table store")));
    Do(set + " - 1");
  }
  Do("DELETE FROM store");
  EXPECT_THAT(OpeningLoss(), HasSubstr("table store"));
}

TEST_F(SqliteCheckTest, PagesThatAreNone) {
  const std::string file = folder_.File("sessions.db");
  const auto size = std::filesystem::file_size(file);
  std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
  bytes.seekp(static_cast<std::streamoff>(size - 16384));
  bytes << std::string(100, 'x');
  bytes.close();
  EXPECT_THAT(Faults(), Not(IsEmpty()));
}

TEST_F(SqliteCheckTest, LeavesTheFilesAsTheyAre) {
  auto store = Opened();
  EXPECT_TRUE(store->Commit(std::vector{Advance("left", 1, 8)}).ok());
  const auto bytes = [&](const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(folder_.File(name), std::ios::binary).rdbuf();
    return text.str();
  };
  const std::string before = bytes("sessions.db") + bytes("sessions.db-wal");
  std::filesystem::create_directory(folder_.File("copy"));
  for (const char* const name : {"sessions.db", "sessions.db-wal"}) {
    std::filesystem::copy(folder_.File(name),
                          folder_.File(std::string("copy/") + name));
  }
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_EQ(bytes("sessions.db") + bytes("sessions.db-wal"), before);
  EXPECT_EQ(CheckSqliteStore(folder_.File("copy"), [](std::string_view) {}),
            absl::OkStatus());
  EXPECT_EQ(bytes("copy/sessions.db") + bytes("copy/sessions.db-wal"), before);
}

TEST_F(SqliteCheckTest, WhatIsNoStoreIsRefused) {
  const auto no_fault = [](std::string_view fault) { ADD_FAILURE() << fault; };
  EXPECT_FALSE(CheckSqliteStore(folder_.File("nowhere"), no_fault).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.File("nowhere")));
}

// An operator who puts a copy back under a running server.
TEST_F(SqliteCheckTest, AFileThatGoesBackInTimeIsSeenAfterAnError) {
  auto store = Opened();
  std::filesystem::copy(folder_.File("sessions.db"), folder_.File("copy"));
  EXPECT_TRUE(store->Commit(std::vector{Advance("left", 1, 8)}).ok());
  FaultyVfs::Get().FailSyncAt(1, FaultyVfs::How::kOnce);
  const auto next = std::vector{Advance("left", 1, 9)};
  EXPECT_EQ(store->Commit(next).status().code(),
            absl::StatusCode::kUnavailable);
  std::filesystem::rename(folder_.File("copy"), folder_.File("sessions.db"));
  std::filesystem::remove(folder_.File("sessions.db-wal"));
  std::filesystem::remove(folder_.File("sessions.db-shm"));
  const absl::Status refused = store->Commit(next).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("tells of 1 commits where this server has made 2"));
}

// All that the interface says of repeating: the failed commit was on the disk.
TEST_F(SqliteCheckTest, AFailedCommitThatIsThereAllTheSameIsNotDoneTwice) {
  auto store = Opened();
  FaultyVfs::Get().FailSyncAt(1, FaultyVfs::How::kOnce);
  const auto changes =
      std::vector{Advance("left", 1, 8, {Image(3, "new")}, {1}),
                  Advance("right", 1, 9), NextEpoch("right", 2, 9)};
  EXPECT_FALSE(store->Commit(changes).ok());
  EXPECT_EQ(store->Load("left")->head.step, 0U);
  const auto taken = store->Commit(changes);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(*taken, ElementsAre(kTaken, ChangeOutcome::kOtherEpoch, kTaken));
  EXPECT_EQ(store->Load("right")->epochs.size(), 3U);
  EXPECT_EQ(RawDatabase(folder_.path()).One("SELECT commits FROM store"), "2");
  EXPECT_THAT(Faults(), IsEmpty());
}

// Whether it worked, where whatever is longer than `limit` can't be had.
bool CommitInLittleMemory(Store& store,
                          const std::vector<SessionChange>& changes,
                          size_t limit) {
  bool done = false;
  const AllocationLimit no_memory(limit);
  std::thread([&] {
    try {
      done = store.Commit(changes).ok();
    } catch (const std::bad_alloc&) {
    }
  }).join();
  return done;
}

// Wherever within a commit memory is wanting, also while it tells of a sync
// that failed: its changes are done once.
TEST_F(SqliteCheckTest, ACommitThatEndsForWantOfMemoryIsDoneOnceAllTheSame) {
  auto store = Opened();
  SessionChange large = Advance("left", 1, 1);
  large.head.body = std::string(3000, 'b');
  int wanting = 0;
  uint64_t round = 0;
  for (size_t limit = 16; limit < 5000; limit += limit / 4) {
    for (const bool sync_fails : {false, true}) {
      SCOPED_TRACE(limit);
      ++round;
      ASSERT_TRUE(store->Commit(std::vector{large}).ok());
      // Reading the row of "left" takes more than all before it.
      const std::vector<SessionChange> changes = {
          NextEpoch("right", 1 + round, round),
          Advance("left", 1, round, {Image(9 + round, "new")})};
      FaultyVfs::Get().Reset();
      if (sync_fails) FaultyVfs::Get().FailSyncAt(1, FaultyVfs::How::kOnce);
      if (CommitInLittleMemory(*store, changes, limit)) continue;
      ++wanting;
      FaultyVfs::Get().Reset();  // the sync may not have been come to
      const auto outcomes = store->Commit(changes);
      ASSERT_TRUE(outcomes.ok()) << outcomes.status();
      EXPECT_THAT(*outcomes, ElementsAre(kTaken, kTaken));
    }
  }
  EXPECT_EQ(store->Load("right")->epochs.size(), 2 + round);
  EXPECT_THAT(Faults(), IsEmpty());
  EXPECT_GT(wanting, 20);
}

}  // namespace
}  // namespace backprop::testing
