// SPDX-License-Identifier: Apache-2.0
//
// A session with checkpoints, through its journal, a committer and a store in
// memory, against a twin that keeps whole copies.
#include "server/sessions/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <random>
#include <set>

#include "server/sessions/checkpoint_reader.h"
#include "server/sessions/committer.h"
#include "server/sessions/rejection.h"
#include "server/translation/stored_session.h"
#include "tests/server/sessions/loaded_session.h"
#include "tests/server/sessions/memory_store.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr char kId[] = "s-0123456789abcdef";

// Remembers which pieces were read.
class WatchedStore : public testing::MemoryStore {
 public:
  absl::StatusOr<std::string> ReadPiece(const std::string& id,
                                        uint64_t number) override {
    read.insert(number);
    return MemoryStore::ReadPiece(id, number);
  }
  std::set<uint64_t> read;
};

// All that a session is at a moment.
struct Copy {
  std::vector<float> weights;
  std::vector<float> state;
  uint64_t step = 0;
  uint64_t next_offset = 0;
  uint64_t state_age = 0;
  std::string display_name;

  friend bool operator==(const Copy&, const Copy&) = default;
};

// In its turn, or of one that nobody else has.
Copy CopyOf(Session& session) {
  const Standing standing = session.standing();
  return {{session.weights().begin(), session.weights().end()},
          {session.state().begin(), session.state().end()},
          standing.progress.step,
          standing.progress.next_offset,
          standing.state_age,
          session.in_turn().spec->display_name};
}

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { NewTable(); }

  void NewTable() {
    sessions_ = std::make_unique<SessionTable>(
        SessionLimits{.sessions = 10, .total_weights = 100'000'000},
        testing::NoFeed);
  }

  void Make(SessionSpec spec) {
    spec.durability.mode = DurabilityMode::kDurable;
    const Layout layout = testing::LayoutOf(spec);
    session_ = std::make_shared<Session>(
        SessionBirth{.id = kId}, spec, layout, testing::NoFeed(),
        Budget::Reservation(),
        Durable{.journal = std::make_unique<Journal>(codec_, layout,
                                                     spec.input.element_type),
                .queue = &committer_});
    testing::FillWeights(*session_);
    session_->BeginCommitting();
  }

  template <class Turn>
  void InTurn(Turn turn) {
    std::promise<void> done;
    pool_.Submit(session_->lane(), [&](Worker& worker) {
      turn(worker);
      done.set_value();
    });
    done.get_future().wait();
  }

  absl::Status AwaitDurable() {
    std::promise<absl::Status> told;
    committer_.Await(
        session_, [&](const absl::Status& status) { told.set_value(status); });
    return told.get_future().get();
  }

  void Train(size_t steps) {
    InTurn([&](Worker& worker) {
      testing::TrainOnRandom(*session_, worker, steps, random_);
    });
  }

  void Call(const std::string& display_name) {
    InTurn([&](Worker&) {
      SessionSpec spec = *session_->in_turn().spec;
      spec.display_name = display_name;
      session_->Update(spec, false);
    });
  }

  absl::Status Edit(const CheckpointEdit& edit) {
    absl::Status status;
    InTurn([&](Worker&) { status = session_->EditCheckpoints(edit); });
    return status;
  }

  // Makes a checkpoint, and the twin's copy.
  void Keep(const std::string& name, Checkpoint terms = {}) {
    InTurn([&](Worker&) {
      terms.name = name;
      terms.digest = session_->WeightsDigest();
      terms.next_offset = session_->in_turn().progress.next_offset;
      const absl::Status status = session_->EditCheckpoints({.put = terms});
      EXPECT_TRUE(status.ok()) << status;
      copies_[name] = CopyOf(*session_);
    });
  }

  void Forget(const std::string& name) {
    EXPECT_TRUE(Edit({.remove = {name}}).ok());
    copies_.erase(name);
  }

  const Checkpoint& Find(const std::string& name) {
    return *session_->checkpoints()->Find(name)->checkpoint;
  }

  absl::StatusOr<std::shared_ptr<Session>> Read(const std::string& name) {
    return ReadCheckpoint(kId, Find(name), session_->layout(), store_, codec_,
                          *sessions_);
  }

  void Rewind(const std::string& name) {
    const uint64_t epoch = session_->epoch();
    ASSERT_TRUE(AwaitDurable().ok());
    const auto past = Read(name).value();
    InTurn([&](Worker&) {
      const Copy before = CopyOf(*session_);
      const absl::Status status =
          session_->BeginRewind(*past, session_->epoch(), [] {});
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(CopyOf(*session_), before);
      EXPECT_EQ(session_->epoch(), epoch);
    });
    ASSERT_TRUE(AwaitDurable().ok());
    InTurn([&](Worker&) {
      session_->FinishRewind(*past);
      EXPECT_EQ(CopyOf(*session_), copies_[name]);
    });
    EXPECT_EQ(session_->epoch(), epoch + 1);
    EXPECT_EQ(session_->epochs().back().first_step, copies_[name].step);
  }

  void Restart() {
    ASSERT_TRUE(AwaitDurable().ok());
    Copy before;
    InTurn([&](Worker&) { before = CopyOf(*session_); });
    Reload();
    InTurn([&](Worker&) { EXPECT_EQ(CopyOf(*session_), before); });
  }

  // What the store has is what there is.
  void Reload() {
    // Until the committer too has let go of it.
    const std::weak_ptr<Session> last_life = session_;
    session_.reset();
    NewTable();
    while (!last_life.expired()) std::this_thread::sleep_for(milliseconds(1));
    session_ =
        testing::LoadedSession(kId, store_, codec_, committer_, *sessions_);
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& each : session_->checkpoints()->List("", 2000)) {
      names.push_back(each->name);
    }
    return names;
  }

  // The twin has the same ones, and each comes back as it was.
  void ExpectTwin() {
    ASSERT_TRUE(AwaitDurable().ok());
    std::vector<std::string> names;
    for (const auto& [name, copy] : copies_) names.push_back(name);
    ASSERT_EQ(Names(), names);
    for (const auto& [name, copy] : copies_) {
      const auto past = Read(name);
      ASSERT_TRUE(past.ok()) << past.status();
      EXPECT_EQ(CopyOf(**past), copy) << name;
    }
  }

  // Whatever is stored is read for the session or a checkpoint.
  void ExpectNothingIsLeftOver() {
    ASSERT_TRUE(AwaitDurable().ok());
    store_.read.clear();
    const StoredSession stored = store_.Load(kId).value();
    const CheckpointSet all = ReadCheckpoints(stored, store_, codec_).value();
    for (const auto& each : all.List("", 2000)) {
      ASSERT_TRUE(ReadCheckpoint(kId, *each, session_->layout(), store_, codec_,
                                 *sessions_)
                      .ok());
    }
    Restart();
    for (const StoredPiece& piece : stored.pieces) {
      EXPECT_TRUE(store_.read.contains(piece.name.number))
          << "piece " << piece.name.number << " of kind "
          << static_cast<int>(piece.name.kind);
    }
  }

  std::mt19937 random_{11};
  WatchedStore store_;
  const ProtoCodec codec_;
  Undurable undurable_;
  std::unique_ptr<SessionTable> sessions_;
  ComputePool pool_{2, [](double) {}};
  Committer committer_{store_, pool_, milliseconds(1), nullptr, undurable_};
  std::shared_ptr<Session> session_;
  std::map<std::string, Copy> copies_;
};

TEST_F(CheckpointTest, EveryOneComesBackWhateverTheSessionDoes) {
  for (const SessionSpec& spec : {testing::SmallSpec(), testing::MomentumSpec(),
                                  testing::AdamSpec(), testing::DenseSpec()}) {
    if (session_ != nullptr) {
      ASSERT_TRUE(session_->Close().ok());
      session_->BeginCommitting();
      ASSERT_TRUE(AwaitDurable().ok());
      copies_.clear();
    }
    Make(spec);
    for (int i = 0; i < 120 && !HasFatalFailure(); ++i) {
      const std::string name = "c" + std::to_string(random_() % 6);
      const bool is_there = copies_.contains(name);
      switch (random_() % 12) {
        case 0:
          Call("name " + std::to_string(i));
          break;
        case 1:
        case 2:
          if (is_there) Forget(name);
          break;
        case 3:
          if (is_there) Rewind(name);
          break;
        case 4:
          ExpectNothingIsLeftOver();  // restarts
          break;
        case 5:
        case 6:
        case 7:
          if (!is_there) Keep(name);
          break;
        default:
          Train(random_() % 3 == 0 ? 600 : 1 + random_() % 9);
      }
      if (random_() % 2 == 0) {
        ASSERT_TRUE(AwaitDurable().ok());
      }
      if (i % 10 == 9) ExpectTwin();
    }
    ExpectTwin();
    ExpectNothingIsLeftOver();
  }
}

// Whose image is replaced part by part, with a checkpoint between two parts.
TEST_F(CheckpointTest, OneOfALargeSessionComesBackBetweenTwoPartsToo) {
  Make(testing::LargeSpec());
  const auto train = [&](size_t steps) {
    Train(steps);
    ASSERT_TRUE(AwaitDurable().ok());
  };
  train(1);
  const size_t parts = store_.CountOf(kId, PieceKind::kImage);
  ASSERT_GT(parts, 1u);
  Keep("first");
  while (store_.CountOf(kId, PieceKind::kImage) == parts) train(200);
  Keep("between");
  for (int i = 0; i < 4; ++i) train(1);
  Keep("last");
  EXPECT_EQ(store_.CountOf(kId, PieceKind::kImage), 2 * parts);
  ExpectTwin();
  Restart();
  Rewind("between");
  train(3);
  ExpectTwin();
  for (const char* name : {"first", "between", "last"}) Forget(name);
  train(1);
  EXPECT_EQ(store_.CountOf(kId, PieceKind::kImage), parts);
}

TEST_F(CheckpointTest, CostsNoCopyOfTheWeights) {
  Make(testing::SmallSpec());
  Train(600);
  ASSERT_TRUE(AwaitDurable().ok());
  const size_t images = store_.BytesOf(kId, PieceKind::kImage);
  for (int i = 0; i < 5; ++i) {
    Keep("c" + std::to_string(i));
    ASSERT_TRUE(AwaitDurable().ok());
  }
  EXPECT_EQ(store_.BytesOf(kId, PieceKind::kImage), images);
  EXPECT_LT(store_.BytesOf(kId, PieceKind::kCheckpoint), images);
}

TEST_F(CheckpointTest, TheExpiredGoButForTheNewestAndThePinned) {
  Make(testing::SmallSpec());
  const auto past = std::chrono::system_clock::now() - seconds(1);
  const auto later = std::chrono::system_clock::now() + std::chrono::hours(1);
  Keep("a", {.expire_time = past});
  Train(1);
  ASSERT_TRUE(AwaitDurable().ok());
  EXPECT_THAT(Names(), ElementsAre("a"));  // the newest
  Keep("b", {.expire_time = later});
  Keep("c", {.expire_time = past, .pinned = true});
  Keep("d", {.expire_time = past});
  Keep("e");
  Train(1);
  ASSERT_TRUE(AwaitDurable().ok());
  EXPECT_THAT(Names(), ElementsAre("b", "c", "e"));
  Checkpoint unpinned = Find("c");
  unpinned.pinned = false;
  ASSERT_TRUE(Edit({.put = unpinned}).ok());
  Train(1);
  ASSERT_TRUE(AwaitDurable().ok());
  EXPECT_THAT(Names(), ElementsAre("b", "e"));
  // Whose terms change does not become the newest.
  Checkpoint older = Find("b");
  older.expire_time = past;
  ASSERT_TRUE(Edit({.put = older}).ok());
  Restart();
  Train(1);
  ASSERT_TRUE(AwaitDurable().ok());
  EXPECT_THAT(Names(), ElementsAre("e"));
}

TEST_F(CheckpointTest, ADamagedOneIsSaidToBeAndTheSessionGoesOn) {
  Make(testing::MomentumSpec());
  Train(3);
  Keep("a");
  Train(600);
  ASSERT_TRUE(AwaitDurable().ok());
  store_.Spoil(kId);
  EXPECT_EQ(ReasonOf(Read("a").status()), "SESSION_DAMAGED");
  Train(5);
  EXPECT_TRUE(AwaitDurable().ok());
}

// Bytes that were never its own, though they are whole.
TEST_F(CheckpointTest, WeightsThatAreNotOfItsDigestAreNotTaken) {
  Make(testing::SmallSpec());
  Train(3);
  Keep("a");
  ASSERT_TRUE(AwaitDurable().ok());
  Checkpoint other = Find("a");
  other.digest ^= 1;
  const auto past = ReadCheckpoint(kId, other, session_->layout(), store_,
                                   codec_, *sessions_);
  EXPECT_EQ(ReasonOf(past.status()), "SESSION_DAMAGED");
}

TEST_F(CheckpointTest, WithoutRoomForASecondCopyNothingIsRead) {
  Make(testing::AdamSpec());
  Keep("a");
  ASSERT_TRUE(AwaitDurable().ok());
  SessionTable small({.sessions = 10, .total_weights = 100}, testing::NoFeed);
  const auto past =
      ReadCheckpoint(kId, Find("a"), session_->layout(), store_, codec_, small);
  EXPECT_FALSE(past.ok());
  EXPECT_NE(ReasonOf(past.status()), "SESSION_DAMAGED");
}

TEST_F(CheckpointTest, ASessionIsClosedToChangesWhileItIsRewound) {
  Make(testing::SmallSpec());
  Train(3);
  Keep("a");
  Train(3);
  ASSERT_TRUE(AwaitDurable().ok());
  const auto past = Read("a").value();
  bool committed = false;
  store_.Fail(true);
  InTurn([&](Worker&) {
    const auto writer = std::make_shared<testing::IdleWriter>();
    ASSERT_TRUE(session_->AttachWriter(writer).ok());
    EXPECT_EQ(
        ReasonOf(session_->BeginRewind(*past, session_->epoch(), nullptr)),
        "SESSION_HAS_WRITER");
    session_->DetachWriter(*writer);
    ASSERT_TRUE(
        session_
            ->BeginRewind(*past, session_->epoch(), [&] { committed = true; })
            .ok());
    EXPECT_EQ(ReasonOf(session_->AttachWriter(writer)), "SESSION_HAS_WRITER");
    EXPECT_EQ(ReasonOf(session_->TakeOver(writer).status()),
              "SESSION_HAS_WRITER");
    EXPECT_EQ(ReasonOf(session_->CheckNoWriter()), "SESSION_HAS_WRITER");
    EXPECT_EQ(ReasonOf(session_->CheckNotRewinding()), "SESSION_BUSY");
    EXPECT_EQ(ReasonOf(session_->Close()), "SESSION_BUSY");
    EXPECT_EQ(ReasonOf(session_->EditCheckpoints({})), "SESSION_BUSY");
    EXPECT_EQ(
        ReasonOf(session_->BeginRewind(*past, session_->epoch(), nullptr)),
        "SESSION_BUSY");
    EXPECT_FALSE(session_->HandOver().has_value());
    EXPECT_EQ(session_->progress().step, 6u);
  });
  EXPECT_FALSE(AwaitDurable().ok());
  EXPECT_FALSE(committed);
  EXPECT_EQ(session_->epoch(), 1u);
  store_.Fail(false);
  while (!AwaitDurable().ok()) {
  }
  EXPECT_TRUE(committed);
  InTurn([&](Worker&) { session_->FinishRewind(*past); });
  EXPECT_EQ(session_->progress().step, 3u);
  EXPECT_TRUE(session_->CheckNoWriter().ok());
  Train(2);
  EXPECT_TRUE(AwaitDurable().ok());
  EXPECT_EQ(session_->durable().step, 5u);
}

TEST_F(CheckpointTest, ACrashWhileItIsRewoundLeavesOneLifeWhole) {
  Make(testing::AdamSpec());
  ASSERT_TRUE(AwaitDurable().ok());
  Train(3);
  Keep("a");
  Train(3);
  ASSERT_TRUE(AwaitDurable().ok());
  const auto past = Read("a").value();
  store_.Fail(true);
  InTurn([&](Worker&) {
    ASSERT_TRUE(session_->BeginRewind(*past, session_->epoch(), nullptr).ok());
  });
  EXPECT_FALSE(AwaitDurable().ok());
  EXPECT_EQ(store_.Load(kId)->head.epoch, 1u);
  EXPECT_EQ(store_.Load(kId)->head.step, 6u);
  store_.Fail(false);
  while (!AwaitDurable().ok()) {
  }
  // It is committed, but memory has the old life still.
  EXPECT_EQ(session_->progress().step, 6u);
  Reload();
  InTurn([&](Worker&) { EXPECT_EQ(CopyOf(*session_), copies_["a"]); });
  // Of epoch 2 the next one, which begins no later, says all (epochs.h).
  EXPECT_EQ(session_->epochs(), (std::vector<EpochStart>{{1, 0}, {3, 3}}));
  ExpectTwin();
}

TEST_F(CheckpointTest, WhatWaitsForAStoreThatFailsIsBounded) {
  Make(testing::SmallSpec());
  ASSERT_TRUE(AwaitDurable().ok());
  store_.Fail(true);
  absl::Status status;
  int count = 0;
  for (; status.ok() && count < 100; ++count) {
    Train(1);
    status = Edit({.put = Checkpoint{.name = std::to_string(count)}});
  }
  EXPECT_EQ(ReasonOf(status), "QUEUE_LIMIT");
  EXPECT_LT(count, 20);
  store_.Fail(false);
  while (!AwaitDurable().ok()) {
  }
  EXPECT_TRUE(Edit({.remove = {"1"}}).ok());
}

}  // namespace
}  // namespace backprop
