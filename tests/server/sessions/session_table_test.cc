// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/session_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <list>
#include <new>
#include <random>
#include <set>
#include <thread>

#include "server/sessions/compute_pool.h"
#include "server/sessions/rejection.h"
#include "server/sessions/worker.h"
#include "server/translation/stored_session.h"
#include "tests/server/sessions/trained_session.h"

// What can't be allocated is then null, as without a sanitizer, and no abort.
extern "C" const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}
// Statuses that two threads hold share what they say, counted by the
// distribution's Abseil, whose counting ThreadSanitizer does not see.
extern "C" const char* __tsan_default_suppressions() {
  return "race:status_internal\n";
}

namespace backprop {
namespace {

std::shared_ptr<DeltaFeed> NewFeed() {
  return std::make_shared<DeltaFeed>(0, [](const auto&) {});
}

SessionSpec Spec() {
  SessionSpec spec;
  spec.network.input_size = 3;
  spec.network.layers = {{2, Activation::kIdentity}};
  spec.delta_forms.resize(1);
  spec.schedule.learning_rate = 0.1F;
  return spec;
}

Layout LayoutOf(const SessionSpec& spec) {
  const std::vector<size_t> sizes = {spec.network.layers[0].size};
  return Layout::Create(spec.network.input_size, sizes, 1, 1000).value();
}

// Which has memory for so many sessions.
class ShortQueue : public CommitQueue {
 public:
  void Note(const std::shared_ptr<Session>& session) override {
    if (left == 0) throw std::bad_alloc();
    --left;
    noted = session->id();
  }
  void Take(std::list<Handover> /*handovers*/) override {}
  Undurable& undurable() override { return undurable_; }

  int left = 0;
  std::string noted;

 private:
  Undurable undurable_;
};

class SessionTableTest : public ::testing::Test {
 protected:
  absl::StatusOr<SessionTable::Created> Create(const RequestKey& key) {
    const SessionSpec spec = Spec();
    return table_.Create({spec, LayoutOf(spec), key}, [](Session& session) {
      for (float& w : session.weights()) w = 1;
    });
  }

  SessionTable table_{{.sessions = 10, .total_weights = 1000}, NewFeed};
};

// Else it would be there and never be durable.
TEST_F(SessionTableTest, ASessionThatCannotBeCommittedWasNeverThere) {
  ShortQueue queue;
  const ProtoCodec codec;
  SessionTable table({.sessions = 10, .total_weights = 1000}, NewFeed,
                     [&](const SessionSpec& spec, const Layout& layout) {
                       return Durable{
                           .journal = std::make_unique<Journal>(
                               codec, layout, spec.input.element_type),
                           .queue = &queue};
                     });
  const SessionSpec spec = Spec();
  const auto create = [&] {
    return table.Create({spec, LayoutOf(spec), {"once", 7}},
                        [](Session& /*session*/) {});
  };
  EXPECT_THROW(create().IgnoreError(), std::bad_alloc);
  EXPECT_TRUE(table.List("", 10).empty());
  EXPECT_EQ(table.IdMadeBy("once"), "");
  EXPECT_TRUE(table.DeleteExpired(std::chrono::system_clock::now()).empty());
  queue.left = 1;
  const auto created = create();
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->is_new);
  EXPECT_EQ(queue.noted, created->session->id());
  EXPECT_EQ(table.IdMadeBy("once"), created->session->id());
}

// So that its caller can remember what was done.
TEST_F(SessionTableTest, AStepThatCannotBeNotedIsNotDone) {
  ShortQueue queue;
  queue.left = 1;
  const ProtoCodec codec;
  SessionSpec spec = testing::SmallSpec();
  const Layout layout = testing::LayoutOf(spec);
  const auto session = std::make_shared<Session>(
      SessionBirth{.id = "s"}, spec, layout, NewFeed(), Budget::Reservation(),
      Durable{.journal = std::make_unique<Journal>(codec, layout,
                                                   spec.input.element_type),
              .queue = &queue});
  testing::FillWeights(*session);
  session->BeginCommitting();
  ASSERT_TRUE(session->HandOver().has_value());
  const std::vector<float> before(session->weights().begin(),
                                  session->weights().end());
  ComputePool pool(1, [](double) {});
  std::mt19937 random(3);
  std::promise<void> done;
  pool.Submit(session->lane(), [&](Worker& worker) {
    EXPECT_THROW(testing::TrainOnRandom(*session, worker, 3, random),
                 std::bad_alloc);
    EXPECT_THROW(session->Update(spec, false), std::bad_alloc);
    EXPECT_EQ(session->in_turn().progress.step, 0u);
    EXPECT_TRUE(std::ranges::equal(session->weights(), before));
    queue.left = 1;
    testing::TrainOnRandom(*session, worker, 3, random);
    testing::TrainOnRandom(*session, worker, 3, random);  // noted already
    EXPECT_EQ(session->in_turn().progress.step, 6u);
    done.set_value();
  });
  done.get_future().wait();
}

TEST_F(SessionTableTest, AFoundSessionIsFilledAlready) {
  const auto created = Create({});
  ASSERT_TRUE(created.ok());
  const auto found = table_.Find(created->session->id());
  ASSERT_TRUE(found.ok());
  EXPECT_THAT((*found)->weights(), ::testing::Each(1.0F));
}

TEST_F(SessionTableTest, WeightsBeyondTheMachinesMemoryAreRefused) {
  constexpr size_t kSide = size_t{1} << 22;  // 2^44 weights, 64 TiB
  constexpr size_t kMost = size_t{1} << 45;
  SessionTable table({.sessions = 1, .total_weights = kMost}, NewFeed);
  SessionSpec spec = Spec();
  spec.network.input_size = kSide;
  spec.network.layers[0].size = kSide;
  const std::vector<size_t> sizes = {kSide};
  const Layout huge = Layout::Create(kSide, sizes, 1, kMost).value();
  const auto refused = table.Create({spec, huge}, [](Session&) {});
  EXPECT_EQ(ReasonOf(refused.status()), kSessionLimit.name) << refused.status();
  // What was reserved for it is free again.
  EXPECT_TRUE(table.Create({Spec(), LayoutOf(Spec())}, [](Session&) {}).ok());
}

TEST_F(SessionTableTest, ThreadsThatCreateAndDeleteStayWithinTheLimit) {
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        std::vector<std::string> made;
        for (int i = 0; i < 5; ++i) {
          const auto created = Create({});
          if (created.ok()) {
            made.push_back(created->session->id());
          } else {
            EXPECT_EQ(ReasonOf(created.status()), kSessionLimit.name);
            ++refused;
          }
        }
        EXPECT_LE(table_.List("", 100).size(), 10u);
        for (const std::string& id : made) EXPECT_TRUE(table_.Delete(id).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(table_.List("", 100).empty());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Create({}).ok());
  EXPECT_FALSE(Create({}).ok());
}

TEST_F(SessionTableTest, OneRequestFromManyThreadsMakesOneSession) {
  std::vector<std::string> ids(8);
  std::atomic<int> made = 0;
  std::vector<std::thread> threads;
  for (std::string& id : ids) {
    threads.emplace_back([&] {
      const auto created = Create({"same", 7});
      ASSERT_TRUE(created.ok()) << created.status();
      id = created->session->id();
      if (created->is_new) ++made;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(table_.List("", 100).size(), 1u);
}

TEST_F(SessionTableTest, OfManyWritersOneIsAttachedAtATime) {
  const auto created = Create({});
  ASSERT_TRUE(created.ok());
  Session& session = *created->session;
  std::atomic<int> attached = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        const auto writer = std::make_shared<testing::IdleWriter>();
        if (!session.AttachWriter(writer).ok()) continue;
        EXPECT_EQ(++attached, 1);
        EXPECT_EQ(ReasonOf(session.Close()), kSessionBusy.name);
        --attached;
        session.DetachWriter(*writer);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(session.Close().ok());
  const auto late = std::make_shared<testing::IdleWriter>();
  EXPECT_EQ(ReasonOf(session.AttachWriter(late)), kSessionNotFound.name);
  EXPECT_EQ(ReasonOf(session.TakeOver(late).status()), kSessionNotFound.name);
}

TEST_F(SessionTableTest, OfManyWhoTakeOverEachIsReplacedOnceAndTheLastStays) {
  const auto created = Create({});
  ASSERT_TRUE(created.ok());
  Session& session = *created->session;
  constexpr int kThreads = 4;
  constexpr int kTimes = 1000;
  std::atomic<int> replaced = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTimes; ++i) {
        const auto writer = std::make_shared<testing::IdleWriter>();
        const auto before = session.TakeOver(writer);
        ASSERT_TRUE(before.ok());
        if (*before == nullptr) continue;
        EXPECT_TRUE((*before)->is_replaced());
        ++replaced;
        session.DetachWriter(**before);  // no longer its place
        EXPECT_FALSE(session.CheckNoWriter().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(replaced, kThreads * kTimes - 1);
  const auto last = session.TakeOver(std::make_shared<testing::IdleWriter>());
  ASSERT_TRUE(last.ok());
  EXPECT_TRUE((*last)->is_replaced());
}

}  // namespace
}  // namespace backprop
