// SPDX-License-Identifier: Apache-2.0
//
// Sessions that leave memory for a store and come back, against what they were.
#include "server/sessions/session_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "server/calls/idle_sessions.h"
#include "server/ops/log.h"
#include "server/sessions/rejection.h"
#include "server/sessions/stored_record.h"
#include "server/sessions/worker.h"
#include "server/translation/stored_session.h"
#include "tests/server/allocation_limit.h"
#include "tests/server/sessions/memory_store.h"
#include "tests/server/sessions/trained_session.h"

namespace backprop {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::MemoryStore;
using SessionOr = absl::StatusOr<std::shared_ptr<Session>>;

using ::testing::HasSubstr;
using ::testing::Not;

class SessionLoaderTest : public ::testing::Test {
 protected:
  SessionLoaderTest() { Begin({.sessions = 10, .total_weights = 1'000'000}); }
  // What failed must not keep the committer from ending.
  void TearDown() override { store_.Hang(false); }

  // A server on what the store has, after the one before it has ended.
  void Begin(SessionLimits limits) {
    Stop();
    failed_.clear();
    loaded_ = 0;
    committer_.emplace(store_, pool_, milliseconds(1), nullptr, undurable_);
    table_.emplace(
        limits, testing::NoFeed,
        [this](const SessionSpec& spec, const Layout& layout) {
          return Durable{.journal = std::make_unique<Journal>(
                             codec_, layout, spec.input.element_type),
                         .queue = &*committer_};
        },
        [this](const Session& session) { evicted_.push_back(session.id()); });
    reader_.emplace(store_);
    loader_.emplace(SessionLoading{
        .reader = *reader_,
        .codec = codec_,
        .committer = *committer_,
        .sessions = *table_,
        .loaded = [this](const Session&, auto) { ++loaded_; },
        .failed = [this](const std::string& id,
                         const absl::Status&) { failed_.push_back(id); }});
    ASSERT_TRUE(loader_->List(store_).ok());
  }

  void Stop() {
    if (reader_.has_value()) reader_->Stop();
    if (committer_.has_value()) committer_->Stop();
  }

  // Trained so many steps, and durable. Nobody has it.
  std::string Make(size_t steps, SessionSpec spec = testing::SmallSpec(),
                   const std::string& request_id = "") {
    auto created = table_->Create(
        {spec, testing::LayoutOf(spec), {request_id, 7}}, testing::FillWeights);
    EXPECT_TRUE(created.ok()) << created.status();
    if (!created.ok()) return "";
    Train(created->session, steps);
    AwaitDurable(created->session);
    return created->session->id();
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

  void Train(const std::shared_ptr<Session>& session, size_t steps) {
    InTurnOf(session, [&](Worker& worker) {
      testing::TrainOnRandom(*session, worker, steps, random_);
    });
  }

  void AwaitDurable(const std::shared_ptr<Session>& session) {
    std::promise<absl::Status> told;
    committer_->Await(
        session, [&](const absl::Status& status) { told.set_value(status); });
    EXPECT_TRUE(told.get_future().get().ok());
  }

  std::vector<float> Numbers(const std::shared_ptr<Session>& session) {
    std::vector<float> numbers;
    InTurnOf(session, [&](Worker&) {
      numbers.assign(session->weights().begin(), session->weights().end());
      numbers.insert(numbers.end(), session->state().begin(),
                     session->state().end());
    });
    return numbers;
  }

  // An hour later: those leave that have been idle for one.
  void PassAnHour() {
    now_ += hours(1);
    table_->SeeUse(now_);
    table_->EvictIdle(now_, hours(1));
  }

  // Whether it has left memory; waits for whoever is just letting go of it.
  bool EvictAll(const std::string& id) {
    for (int i = 0; i < 1000; ++i) {
      PassAnHour();
      if (table_->Look(id)->session == nullptr) return true;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  }

  SessionOr Load(const std::string& id) {
    std::promise<SessionOr> told;
    loader_->Load(id, [&](SessionOr loaded) { told.set_value(loaded); });
    return told.get_future().get();
  }

  SessionOr Delete(const std::string& id) {
    std::promise<SessionOr> told;
    loader_->Delete(id, [&](SessionOr deleted) { told.set_value(deleted); });
    return told.get_future().get();
  }

  SessionTable::Time now_ = std::chrono::system_clock::now() + hours(1);
  std::mt19937 random_{5};
  MemoryStore store_;
  const ProtoCodec codec_;
  ComputePool pool_{2, [](double) {}};
  Undurable undurable_;
  // Full as soon as the store does not answer at once.
  Undurable small_{1, {.least = milliseconds(1)}};
  std::vector<std::string> evicted_;
  std::vector<std::string> failed_;  // the reader's, then ours
  int loaded_ = 0;                   // likewise
  std::optional<Committer> committer_;
  std::optional<SessionTable> table_;
  std::optional<StoreReader> reader_;
  std::optional<SessionLoader> loader_;
};

TEST_F(SessionLoaderTest, ALoadedSessionIsInItsNextEpochWhichIsDurable) {
  const std::string id = Make(33, testing::AdamSpec());
  const auto before = Numbers(*table_->Find(id));
  Begin({.sessions = 10, .total_weights = 1'000'000});
  EXPECT_EQ(table_->Look(id)->session, nullptr);
  EXPECT_EQ(store_.Load(id)->head.epoch, 1u);
  const auto back = Load(id);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ((*back)->epoch(), 2u);
  EXPECT_EQ(store_.Load(id)->head.epoch, 2u);
  EXPECT_EQ(store_.Load(id)->epochs.back().first_step, 33u);
  EXPECT_EQ(Numbers(*back), before);
  EXPECT_EQ(*table_->Find(id), *back);
}

TEST_F(SessionLoaderTest, ManyWhoUseASessionAtOnceLoadItOnce) {
  const std::string id = Make(5);
  ASSERT_TRUE(EvictAll(id));
  std::vector<std::promise<SessionOr>> told(50);
  for (auto& each : told) {
    loader_->Load(id, [&each](SessionOr loaded) { each.set_value(loaded); });
  }
  std::set<std::shared_ptr<Session>> sessions;
  for (auto& each : told) sessions.insert(*each.get_future().get());
  EXPECT_EQ(sessions.size(), 1u);
  EXPECT_EQ(store_.Load(id)->head.epoch, 2u);
  reader_->Stop();
  EXPECT_EQ(loaded_, 1);
}

TEST_F(SessionLoaderTest, ASessionThatThereIsNotIsNone) {
  EXPECT_EQ(*Load("s-0123456789abcdef"), nullptr);
  EXPECT_EQ(ReasonOf(Delete("s-0123456789abcdef").status()),
            kSessionNotFound.name);
}

TEST_F(SessionLoaderTest, WhoeverHoldsASessionKeepsItInMemory) {
  const std::string id = Make(5);
  const auto held = table_->Find(id);
  PassAnHour();
  EXPECT_EQ(table_->Look(id)->session, *held);
}

TEST_F(SessionLoaderTest, WhoFollowsASessionKeepsItInMemory) {
  const std::string id = Make(5);
  auto feed = (*table_->Find(id))->shared_feed();
  for (int i = 0; i < 100; ++i) {
    PassAnHour();
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_NE(table_->Look(id)->session, nullptr);
  feed.reset();
  EXPECT_TRUE(EvictAll(id));
}

TEST_F(SessionLoaderTest, WhatIsNotDurableStaysInMemory) {
  const std::string id = Make(5);
  store_.Fail(true);
  Train(*table_->Find(id), 1);
  for (int i = 0; i < 100; ++i) {
    PassAnHour();
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_NE(table_->Look(id)->session, nullptr);
  store_.Fail(false);
  EXPECT_TRUE(EvictAll(id));
  EXPECT_EQ(store_.Load(id)->head.step, 6u);
}

TEST_F(SessionLoaderTest, ASessionInMemoryOnlyStaysThere) {
  SessionSpec spec = testing::SmallSpec();
  spec.durability.mode = DurabilityMode::kMemory;
  const auto created =
      table_->Create({spec, testing::LayoutOf(spec)}, testing::FillWeights);
  const std::string id = created->session->id();
  PassAnHour();
  EXPECT_NE(table_->Look(id)->session, nullptr);
}

TEST_F(SessionLoaderTest, OnlyWhatHasBeenIdleForSoLongIsEvicted) {
  const std::string id = Make(5);
  const auto now = std::chrono::system_clock::now();
  table_->EvictIdle(now + seconds(50), seconds(100));
  EXPECT_NE(table_->Look(id)->session, nullptr);
}

TEST_F(SessionLoaderTest, OthersNeedRoomSoTheOneUsedLongestAgoLeaves) {
  Begin({.sessions = 3, .total_weights = 1'000'000});
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(Make(2));
  ASSERT_TRUE(table_->Find(ids[0]).ok());  // used last
  std::this_thread::sleep_for(milliseconds(50));
  Make(2);
  EXPECT_THAT(evicted_, ::testing::ElementsAre(ids[1]));
  ASSERT_TRUE(Load(ids[1]).ok());
  EXPECT_THAT(evicted_, ::testing::ElementsAre(ids[1], ids[2]));
}

TEST_F(SessionLoaderTest, WeightsAreRoomToo) {
  const Layout layout = testing::LayoutOf(testing::SmallSpec());
  Begin({.sessions = 10, .total_weights = 2 * layout.weight_count()});
  const std::string first = Make(2);
  std::this_thread::sleep_for(milliseconds(50));
  Make(2);
  EXPECT_TRUE(evicted_.empty());
  std::this_thread::sleep_for(milliseconds(50));
  Make(2);
  EXPECT_THAT(evicted_, ::testing::ElementsAre(first));
}

TEST_F(SessionLoaderTest, WhereNobodyCanLeaveThereIsNoRoom) {
  Begin({.sessions = 2, .total_weights = 1'000'000});
  const std::string stored = Make(1);
  ASSERT_TRUE(EvictAll(stored));
  const auto first = table_->Find(Make(1));
  const auto second = table_->Find(Make(1));
  EXPECT_EQ(ReasonOf(Load(stored).status()), kSessionLimit.name);
  EXPECT_EQ(store_.Load(stored)->head.epoch, 1u);
}

TEST_F(SessionLoaderTest, OneThatIsDamagedIsToldOfAndLeftAlone) {
  const std::string damaged = Make(3);
  const std::string good = Make(3);
  store_.Spoil(damaged);
  Begin({.sessions = 10, .total_weights = 1'000'000});
  EXPECT_EQ(ReasonOf(Load(damaged).status()), kSessionDamaged.name);
  EXPECT_TRUE(Load(good).ok());
  EXPECT_EQ(store_.Load(damaged)->head.epoch, 1u);
  EXPECT_TRUE(Delete(damaged).ok());
  EXPECT_FALSE(store_.Load(damaged).ok());
  reader_->Stop();
  EXPECT_THAT(failed_, ::testing::ElementsAre(damaged));
}

TEST_F(SessionLoaderTest, WhereNothingCanBeCommittedASessionIsNotUsed) {
  const std::string id = Make(3);
  ASSERT_TRUE(EvictAll(id));
  store_.Fail(true);
  EXPECT_EQ(ReasonOf(Load(id).status()), kStoreFailed.name);
  EXPECT_EQ(table_->Look(id)->session, nullptr);
  // On its way it is told of as what the store has.
  std::promise<absl::StatusOr<Described>> told;
  loader_->Describe(id, [&](auto described) { told.set_value(described); });
  const auto described = told.get_future().get();
  ASSERT_TRUE(described.ok()) << described.status();
  ASSERT_TRUE(described->stored.has_value());
  EXPECT_EQ(described->stored->record.standing.progress.step, 3u);
  EXPECT_EQ(described->stored->epoch, 2u);
  EXPECT_GT(described->stored->bytes, 0u);
  store_.Fail(false);
  const auto back = Load(id);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ((*back)->epoch(), 2u);
  EXPECT_EQ(store_.Load(id)->head.epoch, 2u);
}

TEST_F(SessionLoaderTest, ADeletedOneIsForgottenWithoutBeingLoaded) {
  const std::string id = Make(3, testing::SmallSpec(), "request");
  ASSERT_TRUE(EvictAll(id));
  EXPECT_EQ(table_->IdMadeBy("request"), id);
  EXPECT_EQ(*Delete(id), nullptr);
  EXPECT_FALSE(table_->Look(id).has_value());
  EXPECT_EQ(table_->IdMadeBy("request"), "");
  EXPECT_FALSE(store_.Load(id).ok());
  reader_->Stop();
  EXPECT_EQ(loaded_, 0);
}

TEST_F(SessionLoaderTest, OneThatIsDeletedWhileItComesIsDeletedInMemory) {
  const std::string id = Make(3);
  ASSERT_TRUE(EvictAll(id));
  std::promise<SessionOr> loaded;
  std::promise<SessionOr> deleted;
  loader_->Load(id, [&](SessionOr is) { loaded.set_value(is); });
  loader_->Delete(id, [&](SessionOr is) { deleted.set_value(is); });
  const auto in_memory = deleted.get_future().get();
  ASSERT_TRUE(in_memory.ok());
  EXPECT_EQ(*in_memory, *loaded.get_future().get());
  EXPECT_EQ(*table_->Find(id), *in_memory);
}

TEST_F(SessionLoaderTest, ARequestIdIsKnownOfThoseInTheStore) {
  const std::string id = Make(3, testing::SmallSpec(), "request");
  Begin({.sessions = 10, .total_weights = 1'000'000});
  EXPECT_EQ(table_->IdMadeBy("request"), id);
  EXPECT_EQ(ReasonOf(table_->FindMade({"request", 8}).status()),
            kRequestIdReused.name);
  const auto back = Load(id);
  EXPECT_EQ(*table_->FindMade({"request", 7}), *back);
}

SessionSpec ExpiringSpec() {
  SessionSpec spec = testing::SmallSpec();
  spec.expire_after = hours(8);
  return spec;
}

TEST_F(SessionLoaderTest, WhatNobodyUsesForItsTimeIsDeletedWhereverItIs) {
  const std::string in_store = Make(1, ExpiringSpec());
  ASSERT_TRUE(EvictAll(in_store));
  const std::string in_memory = Make(1, ExpiringSpec());
  SessionSpec memory_only = ExpiringSpec();
  memory_only.durability.mode = DurabilityMode::kMemory;
  ASSERT_TRUE(table_
                  ->Create({memory_only, testing::LayoutOf(memory_only)},
                           testing::FillWeights)
                  .ok());
  const std::string stays = Make(1);
  const auto held = table_->Find(Make(1, ExpiringSpec()));
  ServerOptions options;
  options.evict_after_seconds = 0;
  Metrics metrics;
  ServiceContext context(options, metrics, *table_, pool_,
                         [](ServiceContext&) {});
  context.loader = &*loader_;
  context.complete = true;
  const auto left = [&](SessionTable::Time now) {
    TidySessions(context, now);
    std::promise<void> done;
    loader_->Delete("none", [&](const auto&) { done.set_value(); });
    done.get_future().wait();  // what the sweep asked for has been done
    return table_->List("", 100).size();
  };
  std::this_thread::sleep_for(milliseconds(50));  // nobody has them any more
  EXPECT_EQ(left(std::chrono::system_clock::now() + hours(7)), 5u);
  EXPECT_EQ(left(now_ + hours(100)), 2u);
  EXPECT_TRUE(table_->Look(stays).has_value());
  EXPECT_TRUE(table_->Look((*held)->id()).has_value());
  Stop();
  EXPECT_EQ(store_.size(), 2u);
  EXPECT_THAT(metrics.Serialize(),
              ::testing::HasSubstr("backprop_sessions_expired_total 3"));
}

class StoredCheckpointsTest : public SessionLoaderTest {
 protected:
  StoredCheckpointsTest() {
    context_.committer = &*committer_;
    context_.loader = &*loader_;
    context_.complete = true;
  }
  void TearDown() override {
    Stop();  // before the context goes, which jobs know
    SessionLoaderTest::TearDown();
  }

  // Of three checkpoints one has expired, one is to go much later, and the
  // newest stays.
  std::string MakeKept() {
    const auto session = *table_->Find(Make(3));
    const auto now = std::chrono::system_clock::now();
    Keep(session, "expired", now - seconds(1));
    Keep(session, "later", now + hours(1000));
    Keep(session, "newest", now - seconds(1));
    AwaitDurable(session);
    return session->id();
  }
  void Keep(const std::shared_ptr<Session>& session, const std::string& name,
            Checkpoint::Time expire_time) {
    InTurnOf(session, [&](Worker&) {
      const Checkpoint put{.name = name,
                           .expire_time = expire_time,
                           .digest = session->WeightsDigest()};
      EXPECT_TRUE(session->EditCheckpoints({.put = put}).ok());
    });
  }

  auto Kept(const std::string& id) {
    const auto stored = store_.Load(id);
    return std::ranges::count_if(stored->pieces, [](const auto& piece) {
      return piece.name.kind == PieceKind::kCheckpoint;
    });
  }

  void Tidy() { TidySessions(context_, std::chrono::system_clock::now()); }

  bool ComesBack(const std::string& id) {
    for (int i = 0; i < 10'000; ++i) {
      if (table_->Look(id)->session != nullptr) return true;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  }

  const ServerOptions options_;
  Metrics metrics_;
  ServiceContext context_{options_, metrics_, *table_, pool_,
                          [](ServiceContext&) {}};
};

TEST_F(StoredCheckpointsTest, GoWhenTheirTimeIsOverThoughNobodyUsesTheSession) {
  const std::string id = MakeKept();
  ASSERT_TRUE(EvictAll(id));
  EXPECT_EQ(Kept(id), 3);
  const auto last_use = table_->Look(id)->last_use;
  Tidy();
  ASSERT_TRUE(ComesBack(id));
  EXPECT_EQ(Kept(id), 2);
  EXPECT_EQ(table_->Look(id)->last_use, last_use) << "nobody used it";

  ASSERT_TRUE(EvictAll(id));
  const uint64_t epoch = store_.Load(id)->head.epoch;
  for (int i = 0; i < 10; ++i) Tidy();
  EXPECT_EQ(*Load("s-0123456789abcdef"), nullptr);  // after what they asked for
  EXPECT_EQ(Kept(id), 2);
  EXPECT_EQ(store_.Load(id)->head.epoch, epoch) << "brought back for nothing";
}

TEST_F(StoredCheckpointsTest, GoOfSessionsThatTheServerHasFoundInTheStore) {
  const std::string id = MakeKept();
  const std::string plain = Make(1);
  Begin({.sessions = 10, .total_weights = 1'000'000});
  Tidy();
  ASSERT_TRUE(ComesBack(id));
  EXPECT_EQ(Kept(id), 2);
  EXPECT_EQ(table_->Look(plain)->session, nullptr);
}

TEST_F(SessionLoaderTest, ASweepThatMeetsOneInUseIsNotTheLast) {
  const auto make = [this](hours after) {
    SessionSpec spec = testing::SmallSpec();
    spec.expire_after = after;
    const std::string id = Make(1, spec);
    EXPECT_TRUE(EvictAll(id));
    return id;
  };
  const std::string later = make(hours(100'000));
  const std::string used = make(hours(1));
  ServerOptions options;
  options.evict_after_seconds = 0;
  Metrics metrics;
  ServiceContext context(options, metrics, *table_, pool_,
                         [](ServiceContext&) {});
  context.committer = &*committer_;
  context.loader = &*loader_;
  context.complete = true;
  std::promise<void> may_read;
  reader_->Read([&](Store&) { may_read.get_future().wait(); });
  std::promise<SessionOr> loaded;
  loader_->Load(used, [&](SessionOr is) { loaded.set_value(is); });
  TidySessions(context, now_ + hours(2));  // before it has come
  may_read.set_value();
  const SessionOr held = loaded.get_future().get();
  ASSERT_TRUE(held.ok()) << held.status();

  for (int i = 0; i < 1000 && table_->Look(later).has_value(); ++i) {
    TidySessions(context, now_ + hours(200'000));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(table_->Look(later).has_value());
  EXPECT_TRUE(table_->Look(used).has_value());
  Stop();  // who deletes counts it with the metrics
}

TEST_F(SessionLoaderTest, OneThatHasComeNeedsNoMemoryToBeSeen) {
  const std::string id = Make(3);
  ASSERT_TRUE(EvictAll(id));
  const auto record = ReadRecord(*store_.Load(id), codec_, store_);
  ASSERT_TRUE(record.ok()) << record.status();
  auto returned =
      table_->BringBack(*record, {}, [](Session&) { return absl::OkStatus(); });
  ASSERT_TRUE(returned.ok()) << returned.status();
  const std::shared_ptr<Session> session = returned->session;
  {
    const testing::AllocationLimit limit(0);  // for other threads
    std::thread([&] { table_->Show(*std::move(returned)); }).join();
  }
  EXPECT_EQ(*table_->Find(id), session);
}

// No attempt ends that could tell of it.
TEST_F(SessionLoaderTest, ADiskThatHangsIsToldOfWhenTrainingStops) {
  Stop();
  committer_.emplace(store_, pool_, milliseconds(1), nullptr, small_);
  const auto session = *table_->Find(Make(1));
  ServerOptions options;
  Metrics metrics;
  ServiceContext context(options, metrics, *table_, pool_,
                         [](ServiceContext&) {});
  context.committer = &*committer_;
  context.loader = &*loader_;
  context.complete = true;
  const auto logged = [&] {
    ::testing::internal::CaptureStderr();
    TidySessions(context, std::chrono::system_clock::now());
    FlushLog(std::chrono::minutes(1));
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(logged(), Not(HasSubstr("train")));
  store_.Hang(true);
  Train(session, 1);
  for (int i = 0; i < 10'000 && session->MayTrain(); ++i) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_THAT(logged(), HasSubstr("durable sessions train no more"));
  EXPECT_THAT(logged(), Not(HasSubstr("train")));
  store_.Hang(false);
  AwaitDurable(session);
  EXPECT_THAT(logged(), HasSubstr("durable sessions may train again"));
}

TEST_F(SessionLoaderTest, TheStoreIsToldOfUseThatIsNoChange) {
  const auto session = *table_->Find(Make(1, ExpiringSpec()));
  const auto body = [&] { return store_.Load(session->id())->head.body; };
  const auto start = std::chrono::system_clock::now();
  const std::string first = body();
  table_->SeeUse(start + std::chrono::minutes(59));
  AwaitDurable(session);
  EXPECT_EQ(body(), first);
  table_->SeeUse(start + std::chrono::minutes(61));
  for (int i = 0; i < 5000 && body() == first; ++i) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_NE(body(), first);
  const std::string second = body();
  table_->SeeUse(start + std::chrono::minutes(118));
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(body(), second);
}

TEST_F(SessionLoaderTest, AfterARestartASessionExpiresNotBeforeItsTime) {
  const std::string id = Make(1, ExpiringSpec());
  Begin({.sessions = 10, .total_weights = 1'000'000});
  const auto now = std::chrono::system_clock::now();
  EXPECT_FALSE(table_->IsExpired(id, now + hours(8)));
  EXPECT_FALSE(
      table_->IsExpired(id, now + hours(8) + std::chrono::minutes(59)));
  EXPECT_TRUE(table_->IsExpired(id, now + hours(9) + std::chrono::minutes(1)));
  EXPECT_THAT(table_->ListExpired(now + hours(10), 9),
              ::testing::ElementsAre(id));
}

// Users, an evictor and a shortage of room at once: whoever trains a session
// finds it as they left it.
TEST_F(SessionLoaderTest, SessionsComeAndGoUnderTheirUsersWithoutALoss) {
  Begin({.sessions = 4, .total_weights = 1'000'000});
  std::vector<std::string> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(Make(1));
    std::this_thread::sleep_for(milliseconds(20));
  }
  std::atomic<bool> stop = false;
  std::thread evictor([&] {
    while (!stop) {
      PassAnHour();
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  std::vector<std::thread> users;
  for (const std::string& id : {ids[0], ids[1], ids[2]}) {
    users.emplace_back([this, id] {
      std::mt19937 random(3);
      std::vector<float> left;
      for (uint64_t step = 1; step < 60; ++step) {
        const auto session = Load(id);
        ASSERT_TRUE(session.ok()) << session.status();
        ASSERT_EQ((*session)->progress().step, step);
        if (step > 1) {
          ASSERT_EQ(Numbers(*session), left);
        }
        InTurnOf(*session, [&](Worker& worker) {
          testing::TrainOnRandom(**session, worker, 1, random);
        });
        left = Numbers(*session);
      }
    });
  }
  for (std::thread& user : users) user.join();
  stop = true;
  evictor.join();
  EXPECT_FALSE(evicted_.empty());
}

}  // namespace
}  // namespace backprop
