// SPDX-License-Identifier: Apache-2.0
#include "server/store/sqlite_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/store/changes.h"
#include "tests/server/store/raw_database.h"
#include "tests/server/store/temporary_folder.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ChangeOutcome kTaken = ChangeOutcome::kTaken;
constexpr ChangeOutcome kOther = ChangeOutcome::kOtherEpoch;

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteStoreTest() { Open(); }

  void Open() {
    store_.reset();
    auto opened = OpenSqliteStore(folder_.path(), options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  std::vector<ChangeOutcome> Commit(const std::vector<SessionChange>& changes) {
    auto taken = store_->Commit(changes);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return taken.value_or(std::vector<ChangeOutcome>());
  }
  StoredSession Load(const std::string& id) {
    auto session = store_->Load(id);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.value_or(StoredSession());
  }
  std::string ReadPiece(const std::string& id, uint64_t number) {
    return store_->ReadPiece(id, number).value_or("no such piece");
  }
  std::vector<std::string> Listed(const std::string& after, size_t count) {
    auto heads = store_->List(after, count);
    EXPECT_TRUE(heads.ok()) << heads.status();
    std::vector<std::string> ids;
    for (const StoredHead& head : *heads) ids.push_back(head.head.id);
    return ids;
  }
  std::vector<std::string> Faults() {
    std::vector<std::string> faults;
    EXPECT_TRUE(
        store_
            ->Check([&](std::string_view fault) { faults.emplace_back(fault); })
            .ok());
    return faults;
  }

  TemporaryFolder folder_;
  SqliteStoreOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_F(SqliteStoreTest, WhatIsCommittedIsThereAfterReopening) {
  const std::string large(100'000, 'x');
  EXPECT_THAT(Commit({Creation("a", {Image(1, "one"), Image(2, large)})}),
              ElementsAre(kTaken));
  Open();
  const StoredSession session = Load("a");
  EXPECT_EQ(session.head, Creation("a", {}).head);
  EXPECT_THAT(session.epochs, ElementsAre(EpochStart{1, 0}));
  ASSERT_EQ(session.pieces.size(), 2U);
  EXPECT_EQ(session.pieces[0].name, Image(1, "").name);
  EXPECT_EQ(session.pieces[0].bytes, 3U);
  EXPECT_EQ(session.pieces[1].bytes, large.size());
  EXPECT_EQ(ReadPiece("a", 1), "one");
  EXPECT_EQ(ReadPiece("a", 2), large);
}

TEST_F(SqliteStoreTest, TheShellReadsWhatWasCommitted) {
  Commit({Creation("a", {Image(7, "bytes")}), Creation("b", {})});
  Commit({Advance("a", 1, 5, {Image(8, "more")}, {7})});
  RawDatabase raw(folder_.path());
  EXPECT_THAT(raw.Rows("SELECT id, epoch, step, body, pieces, piece_bytes"
                       " FROM sessions ORDER BY id"),
              ElementsAre(ElementsAre("a", "1", "5", "at 5", "1", "4"),
                          ElementsAre("b", "1", "0", "made b", "0", "0")));
  EXPECT_THAT(
      raw.Rows("SELECT id, number, kind, pieces.step, first_number, bytes"
               " FROM pieces JOIN sessions ON key = session"),
      ElementsAre(ElementsAre("a", "8", "2", "80", "800", "more")));
  EXPECT_EQ(raw.One("SELECT commits FROM store"), "2");
  EXPECT_EQ(raw.One("PRAGMA page_size"), "16384");
  EXPECT_EQ(raw.One("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(raw.One("PRAGMA auto_vacuum"), "0");
}

TEST_F(SqliteStoreTest, AChangeOfAnotherEpochLeavesNoTrace) {
  Commit({Creation("a", {Image(1, "one")}), Creation("b", {})});
  const StoredSession before = Load("a");
  EXPECT_THAT(Commit({Advance("a", 2, 9, {Image(2, "two")}, {1}),
                      Creation("a", {Image(3, "three")}),
                      Advance("nobody", 1, 9, {Image(4, "four")}),
                      Erasure("a", 2), Advance("b", 1, 4)}),
              ElementsAre(kOther, kOther, kOther, kOther, kTaken));
  const StoredSession after = Load("a");
  EXPECT_EQ(after.head, before.head);
  EXPECT_THAT(after.epochs, ElementsAre(EpochStart{1, 0}));
  ASSERT_EQ(after.pieces.size(), 1U);
  EXPECT_EQ(Load("b").head.step, 4U);
  RawDatabase raw(folder_.path());
  EXPECT_EQ(raw.One("SELECT count(*) FROM pieces"), "1");
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(SqliteStoreTest, ARangeTakesWhatThereIsOfItsNumbersButCheckpoints) {
  std::vector<Piece> put;
  for (uint64_t number = 2; number <= 20; number += 2) {
    put.push_back(Image(number, std::string(number, 'x')));
  }
  put[2].name.kind = PieceKind::kBlock;       // 6
  put[3].name.kind = PieceKind::kCheckpoint;  // 8
  put[6].name.kind = PieceKind::kBlock;       // 14
  Commit({Creation("a", put), Creation("b", put)});
  SessionChange change = Advance("a", 1, 5, {Image(31, "new")}, {20});
  change.remove_ranges = {{3, 9}, {11, 16, true}, {40, 60}};
  EXPECT_THAT(Commit({change}), ElementsAre(kTaken));
  std::vector<uint64_t> left;
  for (const StoredPiece& piece : Load("a").pieces) {
    left.push_back(piece.name.number);
  }
  EXPECT_THAT(left, ElementsAre(2, 8, 10, 12, 16, 18, 31));
  EXPECT_EQ(Load("b").pieces.size(), put.size());
  EXPECT_EQ(store_->List("", 1)->front().bytes, 2U + 8 + 10 + 12 + 16 + 18 + 3);
  Open();
  EXPECT_THAT(Faults(), IsEmpty());
}

TEST_F(SqliteStoreTest, ARangeWithADamagedPieceIsLeftAsItIs) {
  Commit({Creation("a", {Image(1, "one"), Image(2, "two")})});
  RawDatabase(folder_.path()).Do("UPDATE pieces SET step = 9 WHERE number = 2");
  SessionChange change = Advance("a", 1, 5);
  change.remove_ranges = {{1, 2}};
  EXPECT_THAT(Commit({change}), ElementsAre(ChangeOutcome::kDamaged));
  EXPECT_EQ(RawDatabase(folder_.path()).One("SELECT count(*) FROM pieces"),
            "2");
}

TEST_F(SqliteStoreTest, RangesThatBreakTheRulesAreRefused) {
  Commit({Creation("a", {Image(1, "one")})});
  const auto refused = [&](std::vector<PieceRange> ranges) {
    SessionChange bad = Advance("a", 1, 2, {Image(5, "")}, {1});
    bad.remove_ranges = std::move(ranges);
    return absl::IsInvalidArgument(store_->Commit(std::vector{bad}).status());
  };
  EXPECT_TRUE(refused({{3, 2}}));
  EXPECT_TRUE(refused({{2, uint64_t{1} << 63}}));
  EXPECT_TRUE(refused({{1, 3}}));          // by its number, too
  EXPECT_TRUE(refused({{3, 6}}));          // puts it, too
  EXPECT_TRUE(refused({{8, 9}, {7, 8}}));  // twice
  EXPECT_FALSE(refused({{2, 4}, {5, 9, true}}));
}

TEST_F(SqliteStoreTest, AnEpochBeginsAtTheStepOfItsHead) {
  Commit({Creation("a", {})});
  Commit({Advance("a", 1, 30)});
  Commit({NextEpoch("a", 1, 30)});
  EXPECT_THAT(Commit({Advance("a", 1, 31)}), ElementsAre(kOther));
  EXPECT_THAT(Commit({Advance("a", 2, 31), NextEpoch("a", 2, 25)}),
              ElementsAre(kTaken, kTaken));
  const StoredSession session = Load("a");
  EXPECT_EQ(session.head.epoch, 3U);
  EXPECT_THAT(session.epochs, ElementsAre(EpochStart{1, 0}, EpochStart{2, 30},
                                          EpochStart{3, 25}));
}

TEST_F(SqliteStoreTest, ErasingTakesPiecesAndEpochsToo) {
  Commit({Creation("a", {Image(1, "one")}), Creation("b", {Image(1, "two")})});
  EXPECT_THAT(Commit({Erasure("a", 1)}), ElementsAre(kTaken));
  EXPECT_EQ(store_->Load("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadPiece("b", 1), "two");
  RawDatabase raw(folder_.path());
  EXPECT_EQ(raw.One("SELECT count(*) FROM pieces"), "1");
  EXPECT_EQ(raw.One("SELECT count(*) FROM epochs"), "1");
  EXPECT_THAT(Commit({Creation("a", {})}), ElementsAre(kTaken));
  EXPECT_THAT(Load("a").pieces, IsEmpty());
  Open();
  EXPECT_THAT(Faults(), IsEmpty());
}

SessionChange ErasureOfDamaged(const std::string& id) {
  SessionChange change;
  change.head.id = id;
  change.erase = true;
  change.damaged = true;
  return change;
}

TEST_F(SqliteStoreTest, ADamagedSessionIsErasedWithAllThatItHas) {
  for (const char* const damage :
       {"UPDATE sessions SET body = x'00' WHERE id = 's-1'",
        "UPDATE sessions SET epoch = 99 WHERE id = 's-1'",
        "UPDATE pieces SET hash = hash + 1 WHERE session = "
        "(SELECT key FROM sessions WHERE id = 's-1')",
        "DELETE FROM epochs WHERE session = "
        "(SELECT key FROM sessions WHERE id = 's-1')",
        "SELECT 1"}) {
    SCOPED_TRACE(damage);
    EXPECT_THAT(Commit({Creation("s-1", {Image(1, "a"), Image(2, "b")})}),
                ElementsAre(kTaken));
    Commit({Creation("s-2", {Image(1, "c")})});
    RawDatabase(folder_.path()).Do(damage);
    EXPECT_THAT(Commit({ErasureOfDamaged("s-1")}), ElementsAre(kTaken));
    EXPECT_THAT(Commit({ErasureOfDamaged("s-1")}), ElementsAre(kTaken))
        << "it is gone already";
    EXPECT_THAT(Listed("", 9), ElementsAre("s-2"));
    EXPECT_EQ(ReadPiece("s-2", 1), "c");
    EXPECT_THAT(Faults(), IsEmpty());
    Open();
    EXPECT_THAT(Listed("", 9), ElementsAre("s-2"));
  }
}

TEST_F(SqliteStoreTest, ADamagedKeyTakesNothingFromTheSessionWhoseItIs) {
  Commit({Creation("s-1", {Image(1, "a")}), Creation("s-2", {Image(1, "c")})});
  RawDatabase(folder_.path())
      .Do("UPDATE sessions SET key = (SELECT key FROM sessions WHERE id = "
          "'s-2') WHERE id = 's-1'");
  EXPECT_THAT(Commit({ErasureOfDamaged("s-1")}), ElementsAre(kTaken));
  EXPECT_THAT(Listed("", 9), ElementsAre("s-2"));
  EXPECT_EQ(ReadPiece("s-2", 1), "c");
}

TEST_F(SqliteStoreTest, ListsInOrderOfIdsFromWhereItIsTold) {
  Commit({Creation("c", {}), Creation("a", {Image(1, "12345")}),
          Creation("b", {})});
  EXPECT_THAT(Listed("", 10), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Listed("a", 1), ElementsAre("b"));
  EXPECT_THAT(Listed("c", 1), IsEmpty());
  EXPECT_EQ(store_->List("", 1)->front().bytes, 5U);
}

TEST_F(SqliteStoreTest, AbsentThingsAreNamed) {
  Commit({Creation("a", {})});
  const absl::Status piece = store_->ReadPiece("a", 3).status();
  EXPECT_EQ(piece.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(piece.message()), HasSubstr("a has no piece 3"));
  const absl::Status session = store_->ReadPiece("b", 3).status();
  EXPECT_EQ(session.code(), absl::StatusCode::kNotFound);
}

TEST_F(SqliteStoreTest, ChangesThatBreakTheRulesAreRefusedWhole) {
  Commit({Creation("a", {Image(1, "one")})});
  const uint64_t too_large = uint64_t{1} << 63;
  for (const SessionChange& bad :
       {Creation("", {}), Erasure("a", 0), Advance("a", 1, too_large),
        Advance("a", 1, 2, {Image(too_large, "")}),
        Advance("a", 1, 2, {Image(2, ""), Image(2, "")}),
        Advance("a", 1, 2, {Image(2, "")}, {2}),
        Advance("a", 1, 2, {}, {1, 1})}) {
    const absl::Status status =
        store_->Commit(std::vector{Creation("b", {}), bad}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  }
  const absl::Status again =
      store_->Commit(std::vector{Advance("a", 1, 2, {Image(1, "two")})})
          .status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), HasSubstr("piece 1 of session a"));
  EXPECT_THAT(Listed("", 9), ElementsAre("a"));
  EXPECT_THAT(Commit({Advance("a", 1, 2, {Image(2, "two")})}),
              ElementsAre(kTaken));
}

TEST_F(SqliteStoreTest, BytesOfAnyKindComeBack) {
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  SessionChange change = Creation("a", {Image(1, ""), Image(2, every)});
  change.head.body = every;
  Commit({change});
  EXPECT_EQ(Load("a").head.body, every);
  EXPECT_EQ(ReadPiece("a", 1), "");
  EXPECT_EQ(ReadPiece("a", 2), every);
}

TEST_F(SqliteStoreTest, ManyImagesKeepTheLogAndTheFileShort) {
  options_.log_bytes = size_t{1} << 20;
  Open();
  const std::string image(400'000, 'w');
  Commit({Creation("a", {Image(1, image)})});
  for (uint64_t number = 2; number < 60; ++number) {
    Commit({Advance("a", 1, number, {Image(number, image)}, {number - 1})});
  }
  EXPECT_LT(std::filesystem::file_size(folder_.File("sessions.db-wal")),
            size_t{2} << 20);
  EXPECT_LT(std::filesystem::file_size(folder_.File("sessions.db")),
            size_t{1} << 20);
  EXPECT_GE(store_->DiskBytes(),
            std::filesystem::file_size(folder_.File("sessions.db")));
}

TEST_F(SqliteStoreTest, AReaderThatStaysKeepsTheLogOnlyWhileItDoes) {
  options_.log_bytes = size_t{1} << 20;
  Open();
  const std::string image(400'000, 'w');
  Commit({Creation("a", {Image(1, image)})});
  const auto advance = [&](uint64_t from, uint64_t to) {
    for (uint64_t number = from; number < to; ++number) {
      Commit({Advance("a", 1, number, {Image(number, image)}, {number - 1})});
    }
  };
  {
    RawDatabase shell(folder_.path());
    shell.Do("BEGIN");
    shell.Do("SELECT * FROM store");
    advance(2, 20);
    shell.Do("COMMIT");
  }
  advance(20, 40);
  EXPECT_LT(std::filesystem::file_size(folder_.File("sessions.db-wal")),
            size_t{3} << 20);
  EXPECT_EQ(ReadPiece("a", 39), image);
}

TEST_F(SqliteStoreTest, ReadersSeeWholeCommitsOnly) {
  Commit({Creation("a", {Image(1, "1")})});
  std::atomic<int> loads = 0;
  std::jthread reader([&](const std::stop_token& stopped) {
    for (; !stopped.stop_requested(); ++loads) {
      const StoredSession session = Load("a");
      ASSERT_EQ(session.pieces.size(), 1U);
      EXPECT_EQ(session.pieces[0].name.number, session.head.step + 1);
    }
  });
  for (uint64_t step = 1; loads < 500 && !HasFailure(); ++step) {
    Commit({Advance("a", 1, step, {Image(step + 1, "x")}, {step})});
  }
}

TEST_F(SqliteStoreTest, TheFolderIsMadeForItsUserAlone) {
  const std::string deep = folder_.File("x/y/z");
  ASSERT_TRUE(OpenSqliteStore(deep).ok());
  struct stat found;
  ASSERT_EQ(stat(deep.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
}

}  // namespace
}  // namespace backprop::testing
