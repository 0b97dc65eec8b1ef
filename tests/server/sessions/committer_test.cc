// SPDX-License-Identifier: Apache-2.0
//
// Sessions on the pool, committed to a store in memory that can be made to
// fail: what is told as durable is compared with what that store holds.
#include "server/sessions/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <list>
#include <map>
#include <optional>
#include <random>

#include "server/sessions/rejection.h"
#include "server/sessions/worker.h"
#include "server/store/restore.h"
#include "server/translation/stored_session.h"
#include "tests/server/sessions/memory_store.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using testing::MemoryStore;

class CommitterTest : public ::testing::Test {
 protected:
  // What failed must not keep the committer from ending.
  void TearDown() override { store_.Hang(false); }

  std::shared_ptr<Session> NewSession(const std::string& id,
                                      SessionSpec spec = testing::SmallSpec()) {
    const Layout layout = testing::LayoutOf(spec);
    spec.durability.mode = DurabilityMode::kDurable;
    auto session = std::make_shared<Session>(
        SessionBirth{.id = id}, spec, layout, testing::NoFeed(),
        Budget::Reservation(),
        Durable{.journal = std::make_unique<Journal>(codec_, layout,
                                                     spec.input.element_type),
                .queue = &committer()});
    testing::FillWeights(*session);
    session->BeginCommitting();
    return session;
  }

  Committer& committer() { return *committer_; }

  // In a turn of its lane.
  void Train(const std::shared_ptr<Session>& session, size_t steps) {
    InTurnOf(session, [&](Worker& worker) {
      testing::TrainOnRandom(*session, worker, steps, random_);
    });
  }

  void InTurnOf(const std::shared_ptr<Session>& session,
                const std::function<void(Worker&)>& turn) {
    std::promise<void> done;
    pool_.Submit(session->lane(), [&](Worker& worker) {
      turn(worker);
      done.set_value();
    });
    done.get_future().wait();
  }

  absl::Status AwaitDurable(const std::shared_ptr<Session>& session) {
    std::promise<absl::Status> told;
    committer().Await(
        session, [&](const absl::Status& status) { told.set_value(status); });
    return told.get_future().get();
  }

  // What a crash at this moment leaves of the session, and its step.
  std::vector<float> Restored(const Session& session, uint64_t* step) {
    const StoredSession stored = store_.Load(session.id()).value();
    *step = stored.head.step;
    std::vector<float> weights(session.layout().weight_count());
    std::vector<float> state(session.layout().state_count() * weights.size());
    const absl::Status status = RestoreNumbers(
        stored, session.layout(), InputFormat(),
        [&](uint64_t number) { return store_.ReadPiece(session.id(), number); },
        weights, state);
    EXPECT_TRUE(status.ok()) << status;
    weights.insert(weights.end(), state.begin(), state.end());
    return weights;
  }

  void ExpectStored(const std::shared_ptr<Session>& session) {
    uint64_t step = 0;
    const std::vector<float> stored = Restored(*session, &step);
    InTurnOf(session, [&](Worker&) {
      EXPECT_EQ(step, session->in_turn().progress.step);
      std::vector<float> present(session->weights().begin(),
                                 session->weights().end());
      present.insert(present.end(), session->state().begin(),
                     session->state().end());
      EXPECT_EQ(stored, present);
    });
    EXPECT_EQ(session->moment().durable.step, step);
  }

  // Of a committer that starts anew, with so much that may be undurable.
  void Limit(size_t limit, StorePatience patience = {}) {
    limited_.emplace_back(limit, patience);
    committer_.emplace(
        store_, pool_, milliseconds(1),
        [this](const Committer::Attempt& attempt) {
          attempts_.push_back(attempt);
        },
        limited_.back());
  }

  // For up to 20 s.
  template <class Condition>
  bool Eventually(Condition condition) {
    for (int i = 0; i < 20'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  }

  std::mt19937 random_{5};
  Undurable unlimited_;
  std::list<Undurable> limited_;
  MemoryStore store_;
  const ProtoCodec codec_;
  ComputePool pool_{2, [](double) {}};
  std::vector<Committer::Attempt>
      attempts_;  // the committer's thread, then ours
  std::optional<Committer> committer_{
      std::in_place,
      store_,
      pool_,
      milliseconds(1),
      [this](const Committer::Attempt& attempt) {
        attempts_.push_back(attempt);
      },
      unlimited_};
};

TEST_F(CommitterTest, WhatIsAwaitedIsInTheStore) {
  for (const SessionSpec& spec : {testing::SmallSpec(), testing::MomentumSpec(),
                                  testing::AdamSpec(), testing::DenseSpec()}) {
    const auto session = NewSession("s-" + std::to_string(store_.size()), spec);
    for (size_t steps : {0, 1, 7, 200, 3, 1000, 2, 2, 2, 50}) {
      Train(session, steps);
      EXPECT_TRUE(AwaitDurable(session).ok());
      ExpectStored(session);
    }
  }
}

// Nobody waits: it comes to be durable by itself.
TEST_F(CommitterTest, AChangeIsCommittedWithinItsLag) {
  const auto session = NewSession("s");
  Train(session, 5);
  while (session->moment().durable.step < 5) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  ExpectStored(session);
}

TEST_F(CommitterTest, StepsAreRowsUntilTheImageIsTheCheaper) {
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  Train(session, 1);
  ASSERT_TRUE(AwaitDurable(session).ok());
  EXPECT_EQ(store_.CountOf("s", PieceKind::kSteps), 1u);
  EXPECT_EQ(store_.CountOf("s", PieceKind::kImage), 1u);
  Train(session, 5000);
  ASSERT_TRUE(AwaitDurable(session).ok());
  EXPECT_EQ(store_.CountOf("s", PieceKind::kSteps), 0u);
  EXPECT_EQ(store_.CountOf("s", PieceKind::kImage), 1u);
  ExpectStored(session);
}

TEST_F(CommitterTest, RowsNeverPileUpBeyondAnImage) {
  const auto session = NewSession("s");
  for (int i = 0; i < 200; ++i) {
    Train(session, 1);
    ASSERT_TRUE(AwaitDurable(session).ok());
    EXPECT_LE(store_.BytesOf("s", PieceKind::kSteps),
              session->layout().weight_count() * sizeof(float));
  }
  ExpectStored(session);
}

// Each part is as it was at another commit; the rows between bring it forward.
TEST_F(CommitterTest, ALargeImageIsReplacedPartByPart) {
  const auto session = NewSession("s", testing::LargeSpec());
  ASSERT_TRUE(AwaitDurable(session).ok());
  const size_t parts = store_.CountOf("s", PieceKind::kImage);
  ASSERT_GT(parts, 1u);
  const auto train = [&](size_t steps) {
    Train(session, steps);
    EXPECT_TRUE(AwaitDurable(session).ok());
    ExpectStored(session);
    return store_.CountOf("s", PieceKind::kImage);
  };
  // Rows longer than the image make a new one begin.
  int commits = 0;
  while (train(200) == parts) ASSERT_LT(++commits, 20);
  EXPECT_EQ(store_.CountOf("s", PieceKind::kImage), parts + 1);
  EXPECT_GT(store_.BytesOf("s", PieceKind::kSteps), size_t{8} << 20);
  // The last part takes the old ones and their rows away.
  for (size_t part = 2; part < parts; ++part) EXPECT_EQ(train(1), parts + part);
  EXPECT_EQ(train(1), parts);
  EXPECT_LT(store_.BytesOf("s", PieceKind::kSteps), size_t{1} << 20);
}

// However many are due at once.
TEST_F(CommitterTest, NoMoreIsHandedOverAtOnceThanMayBeUndurable) {
  const size_t image =
      testing::LayoutOf(testing::SmallSpec()).weight_count() * sizeof(float);
  int made = 0;
  for (const size_t limit : {3 * image, image / 2}) {
    attempts_.clear();
    Limit(limit);
    std::vector<std::shared_ptr<Session>> sessions;
    for (int i = 0; i < 20; ++i) {
      sessions.push_back(NewSession("s-" + std::to_string(++made)));
      Train(sessions.back(), 2000);  // beyond rows
    }
    for (const auto& session : sessions) Train(session, 2000);
    committer_->Stop();
    for (const auto& session : sessions) ExpectStored(session);
    EXPECT_EQ(committer_->undurable().bytes(), 0u);
    for (const Committer::Attempt& attempt : attempts_) {
      // 1000: their heads and specs.
      EXPECT_LE(attempt.bytes,
                std::max(limit, image) + 1000 * attempt.sessions);
    }
    sessions.clear();
  }
}

// It is not passed over for ever by smaller ones that come before it.
TEST_F(CommitterTest, TheFirstThatFoundNoRoomIsAskedAloneTheNextTime) {
  const size_t image =
      testing::LayoutOf(testing::SmallSpec()).weight_count() * sizeof(float);
  Limit(image + image / 2);
  SessionSpec at_once = testing::SmallSpec();
  at_once.durability.max_lag = milliseconds(1);
  const auto one = NewSession("one", at_once);
  const auto first = NewSession("first", at_once);
  const auto later = NewSession("later", at_once);
  for (const auto& each : {one, first, later}) {
    ASSERT_TRUE(AwaitDurable(each).ok());
  }
  // It is asked, and comes when another's image is handed over.
  std::promise<void> begun;
  std::promise<void> comes;
  pool_.Submit(first->lane(), [&](Worker& worker) {
    testing::TrainOnRandom(*first, worker, 2000, random_);
    begun.set_value();
    comes.get_future().wait();
  });
  begun.get_future().wait();
  std::this_thread::sleep_for(milliseconds(200));
  store_.Hang(true);
  Train(one, 2000);
  ASSERT_TRUE(Eventually([&] { return store_.hangs(); }));
  comes.set_value();
  // From now on it comes late.
  std::promise<void> has_come;
  std::promise<void> comes_again;
  pool_.Submit(first->lane(), [&](Worker&) {
    has_come.set_value();
    comes_again.get_future().wait();
  });
  has_come.get_future().wait();
  Train(later, 2000);
  const auto let_go = Committer::Clock::now();
  store_.Hang(false);
  EXPECT_TRUE(Eventually([&] { return one->moment().durable.step == 2000; }));
  std::this_thread::sleep_for(milliseconds(100));
  const uint64_t step = later->moment().durable.step;
  // The first is not waited for longer than a second.
  const bool too_late = Committer::Clock::now() - let_go > milliseconds(900);
  EXPECT_TRUE(step == 0 || too_late) << step;
  comes_again.set_value();
  for (const auto& each : {one, first, later}) {
    EXPECT_TRUE(AwaitDurable(each).ok());
    ExpectStored(each);
  }
  committer_->Stop();
}

TEST_F(CommitterTest, WhatASessionHandsOverIsNoMoreThanItSaysBefore) {
  const std::pair<SessionSpec, size_t> kinds[] = {{testing::SmallSpec(), 3},
                                                  {testing::MomentumSpec(), 3},
                                                  {testing::LargeSpec(), 40}};
  for (const auto& [spec, steps] : kinds) {
    SessionSpec asked_by_nobody = spec;
    asked_by_nobody.durability.max_lag = std::chrono::hours(1);
    const auto session = NewSession("s", asked_by_nobody);
    size_t images = 0;  // after the first
    for (int i = 0; i < 40; ++i) {
      InTurnOf(session, [&, steps = steps](Worker& worker) {
        testing::TrainOnRandom(*session, worker, steps, random_);
        const size_t bytes = session->BytesToHandOver();
        const auto handover = session->HandOver();
        ASSERT_TRUE(handover.has_value());
        EXPECT_LE(handover->bytes(), bytes + 1000);  // its head and spec
        for (const Piece& piece : handover->change.put) {
          images += i > 0 && piece.name.kind == PieceKind::kImage ? 1 : 0;
        }
      });
    }
    EXPECT_GT(images, 1u);
    Train(session, 1);
    ASSERT_TRUE(session->Close().ok());
    InTurnOf(session, [&](Worker&) {
      EXPECT_EQ(session->BytesToHandOver(), 0u);
      EXPECT_TRUE(session->HandOver().has_value());
    });
    Train(session, 100);  // a turn that is late
    EXPECT_EQ(unlimited_.bytes(), 0u);
  }
}

TEST_F(CommitterTest, WhatWasHandedOverIsCountedAsItIs) {
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  store_.Fail(true);
  Train(session, 40);
  EXPECT_FALSE(AwaitDurable(session).ok());
  committer_->Stop();
  EXPECT_EQ(unlimited_.handed_over(), attempts_.back().bytes);
  EXPECT_GT(attempts_.back().bytes, 0u);
}

// As long as it gets on: however little that may be in a second.
TEST_F(CommitterTest, AStoreThatIsSlowStopsNobody) {
  Limit(1, {.least = milliseconds(0), .bytes_a_second = 50});
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  store_.Hang(true);
  Train(session, 2000);  // an image of 3 KB
  ASSERT_TRUE(Eventually([&] { return store_.hangs(); }));
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_GT(committer().undurable().bytes(), 1000u);
  EXPECT_TRUE(session->MayTrain());
  store_.Hang(false);
  EXPECT_TRUE(AwaitDurable(session).ok());
}

TEST_F(CommitterTest, ChangesOfCheckpointsWaitOnlyForAStoreThatFails) {
  Limit(1);
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  const auto keep = [&](const std::string& name) {
    absl::Status status;
    InTurnOf(session, [&](Worker& worker) {
      testing::TrainOnRandom(*session, worker, 1, random_);
      status = session->EditCheckpoints({.put = Checkpoint{.name = name}});
    });
    return status;
  };
  store_.Hang(true);
  EXPECT_TRUE(keep("a").ok());
  ASSERT_TRUE(Eventually([&] { return store_.hangs(); }));
  EXPECT_TRUE(keep("b").ok());
  store_.Fail(true);
  store_.Hang(false);
  ASSERT_TRUE(Eventually([&] { return store_.failures() > 0; }));
  ASSERT_TRUE(Eventually([&] { return !session->MayTrain(); }));
  const absl::Status refused = keep("c");
  EXPECT_EQ(ReasonOf(refused), kQueueLimit.name);
  EXPECT_THAT(std::string(refused.message()),
              ::testing::HasSubstr("may hold back 1 bytes of it "
                                   "(--max-undurable-bytes)"));
  store_.Fail(false);
  ASSERT_TRUE(Eventually([&] { return AwaitDurable(session).ok(); }));
  EXPECT_EQ(session->checkpoints()->List("", 10).size(), 2u);
  EXPECT_TRUE(keep("c").ok());
}

TEST_F(CommitterTest, WhatIsLateIsToldAndWhatIsHeldBackIsCounted) {
  Limit(20'000);
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  EXPECT_EQ(committer().undurable().bytes(), 0u);
  store_.Fail(true);
  Train(session, 4);
  EXPECT_FALSE(AwaitDurable(session).ok());
  const size_t rows = committer().undurable().bytes();
  EXPECT_GT(rows, 0u);
  Train(session, 4);
  EXPECT_GT(committer().undurable().bytes(), rows);
  const size_t image = session->layout().weight_count() * sizeof(float);
  for (int i = 0; i < 10; ++i) Train(session, 1000);
  const size_t held = committer().undurable().bytes();
  EXPECT_LE(held, rows + image);
  EXPECT_GT(held + 20'000 / 64, rows + image);
  EXPECT_TRUE(
      Eventually([&] { return committer().Delay() >= milliseconds(50); }));
  store_.Fail(false);
  ASSERT_TRUE(Eventually([&] { return AwaitDurable(session).ok(); }));
  ExpectStored(session);
  EXPECT_EQ(committer().Delay(), Committer::Clock::duration(0));
  EXPECT_EQ(committer().undurable().bytes(), 0u);
}

TEST_F(CommitterTest, AFailureIsToldAndWhatWasDurableStandsStill) {
  const auto session = NewSession("s");
  Train(session, 3);
  ASSERT_TRUE(AwaitDurable(session).ok());
  store_.Fail(true);
  Train(session, 4);
  const absl::Status failed = AwaitDurable(session);
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable) << failed;
  EXPECT_EQ(session->moment().durable.step, 3u);
  Train(session, 5);  // it goes on
  EXPECT_EQ(session->progress().step, 12u);
  EXPECT_EQ(session->moment().durable.step, 3u);
  store_.Fail(false);
  while (!AwaitDurable(session).ok()) {
  }
  ExpectStored(session);
  EXPECT_EQ(session->moment().durable.step, 12u);
}

// An attempt that failed is made again as it was, before anything later.
TEST_F(CommitterTest, AFailedCommitIsTriedAgainAsItWas) {
  const auto session = NewSession("s");
  ASSERT_TRUE(AwaitDurable(session).ok());
  store_.Fail(true);
  Train(session, 4);
  EXPECT_FALSE(AwaitDurable(session).ok());
  Train(session, 5);
  while (store_.failures() < 2) std::this_thread::sleep_for(milliseconds(1));
  const auto& failed = store_.failed();
  ASSERT_GE(failed.size(), 2u);
  for (const auto& again : failed) EXPECT_EQ(again, failed.front());
  store_.Fail(false);
}

TEST_F(CommitterTest, ADeletedSessionLeavesTheStore) {
  const auto session = NewSession("s");
  Train(session, 3);
  ASSERT_TRUE(AwaitDurable(session).ok());
  ASSERT_TRUE(session->Close().ok());
  session->BeginCommitting();
  EXPECT_TRUE(AwaitDurable(session).ok());
  EXPECT_EQ(store_.size(), 0u);
  // A turn that was late changes nothing of that.
  Train(session, 1);
  committer_->Stop();
  EXPECT_EQ(store_.size(), 0u);
}

// Whatever a commit under way has seen of it.
TEST_F(CommitterTest, ASessionThatIsDeletedWhileItIsCommittedLeavesTheStore) {
  for (int i = 0; i < 300; ++i) {
    const auto session = NewSession("s");
    Train(session, 2);
    if (i % 3 != 0) std::this_thread::sleep_for(std::chrono::microseconds(i));
    ASSERT_TRUE(session->Close().ok());
    session->BeginCommitting();
    ASSERT_TRUE(AwaitDurable(session).ok());
    ASSERT_EQ(store_.size(), 0u);
  }
}

TEST_F(CommitterTest, ASessionThatAnotherServerHasIsNotOverwritten) {
  const auto session = NewSession("s");
  Train(session, 3);
  ASSERT_TRUE(AwaitDurable(session).ok());
  store_.SetEpoch("s", 2);
  Train(session, 3);
  EXPECT_FALSE(AwaitDurable(session).ok());
  EXPECT_EQ(session->moment().durable.step, 3u);
  EXPECT_EQ(store_.Load("s")->head.step, 3u);
  // Whoever asks later is told too.
  EXPECT_FALSE(AwaitDurable(session).ok());
  Train(session, 1);
  EXPECT_FALSE(AwaitDurable(session).ok());
}

TEST_F(CommitterTest, ADamagedSessionIsToldOfAndStopsNoOther) {
  const auto damaged = NewSession("damaged");
  const auto sound = NewSession("sound");
  ASSERT_TRUE(AwaitDurable(damaged).ok());
  ASSERT_TRUE(AwaitDurable(sound).ok());
  store_.Damage("damaged");
  Train(damaged, 3);
  Train(sound, 3);
  const absl::Status status = AwaitDurable(damaged);
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("session damaged is damaged in the store"));
  EXPECT_EQ(AwaitDurable(sound), absl::OkStatus());
  EXPECT_EQ(store_.Load("damaged")->head.step, 0u);
  EXPECT_EQ(store_.Load("sound")->head.step, 3u);
  EXPECT_EQ(store_.failures(), 0u);
  EXPECT_FALSE(AwaitDurable(damaged).ok());
}

TEST_F(CommitterTest, TheEndCommitsWhatIsLeft) {
  committer_.emplace(store_, pool_, std::chrono::hours(1), nullptr, unlimited_);
  SessionSpec spec = testing::SmallSpec();
  spec.durability.max_lag = std::chrono::hours(1);
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 20; ++i) {
    sessions.push_back(NewSession("s-" + std::to_string(i), spec));
    Train(sessions.back(), 10);
  }
  committer_->Stop();
  for (const auto& session : sessions) ExpectStored(session);
}

// Threads that train, await and look, all at once.
TEST_F(CommitterTest, WhatIsToldIsNeverAheadOfTheStore) {
  std::vector<std::shared_ptr<Session>> sessions;
  for (int i = 0; i < 8; ++i) {
    sessions.push_back(NewSession("s-" + std::to_string(i)));
  }
  std::vector<std::thread> threads;
  for (const auto& session : sessions) {
    threads.emplace_back([this, session] {
      std::mt19937 random(7);
      for (int i = 0; i < 100; ++i) {
        InTurnOf(session, [&](Worker& worker) {
          testing::TrainOnRandom(*session, worker, 1 + random() % 20, random);
        });
        const uint64_t told = session->moment().durable.step;
        EXPECT_LE(told, session->progress().step);
        if (told > 0) {
          EXPECT_GE(store_.Load(session->id())->head.step, told);
        }
        if (i % 10 == 0) {
          EXPECT_TRUE(AwaitDurable(session).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  committer_->Stop();
  for (const auto& session : sessions) ExpectStored(session);
}

TEST_F(CommitterTest, ASessionThatIsNotInMemoryIsErased) {
  const auto session = NewSession("s-1");
  ASSERT_TRUE(AwaitDurable(session).ok());
  const SessionHead head = store_.Load("s-1")->head;
  const auto erase = [&](const SessionHead& of) {
    std::promise<absl::Status> told;
    committer().Erase(
        of, [&](const absl::Status& status) { told.set_value(status); });
    return told.get_future().get();
  };
  SessionHead other = head;
  other.epoch = 7;
  EXPECT_EQ(ReasonOf(erase(other)), kStoreFailed.name);
  EXPECT_TRUE(store_.Load("s-1").ok());
  store_.Fail(true);
  EXPECT_EQ(ReasonOf(erase(head)), kStoreFailed.name);
  store_.Fail(false);
  EXPECT_TRUE(AwaitDurable(NewSession("s-2")).ok());
  EXPECT_FALSE(store_.Load("s-1").ok());  // tried again by itself
}

}  // namespace
}  // namespace backprop
