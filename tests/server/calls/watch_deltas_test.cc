// SPDX-License-Identifier: Apache-2.0
//
// Followers of a session: complete, in order, and never in the way.
#include <atomic>
#include <random>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/server/watch_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

class WatchTest : public TransportTest {
 protected:
  // A session and its weights at step 0.
  v1::Session Begin() {
    const v1::Session session = Create(Spec(6, {9, 3}));
    anchor_ = Weights(session);
    return session;
  }

  // That the watch is refused for this reason.
  void ExpectRefused(WatchCall& watch, const char* reason) {
    EXPECT_FALSE(watch.Read(&response_));
    EXPECT_EQ(Reason(watch.Finish()), reason);
  }

  std::vector<float> anchor_;
  v1::WatchDeltasResponse response_;  // the last that was read
  std::mt19937 random_{1};
};

TEST_P(WatchTest, FirstResponseNamesThePresentStep) {
  const v1::Session session = Begin();
  TrainCall train(stub(), session.session_id());
  train.Exchange(RandomSamples(session, 5, random_));
  WatchCall watch(stub(), session.session_id());
  ASSERT_TRUE(watch.Read(&response_));
  EXPECT_EQ(response_.base_step(), 5);
  EXPECT_EQ(response_.step(), 5);
  EXPECT_EQ(response_.next_offset(), 5);
  EXPECT_TRUE(response_.deltas().empty());
}

TEST_P(WatchTest, EveryWatcherHoldsTheSessionsWeights) {
  const v1::Session session = Begin();
  WatchCall first(stub(), session.session_id());
  WatchCall second(stub(), session.session_id(), 0);
  ReferenceReplica replicas[] = {{session, anchor_}, {session, anchor_}};
  ASSERT_TRUE(first.Read(&response_));
  ASSERT_TRUE(second.Read(&response_));
  TrainCall train(stub(), session.session_id());
  for (const size_t n : {1, 7, 40, 3}) {
    train.Exchange(RandomSamples(session, n, random_));
  }
  const uint64_t digest = Digest(session);
  WatchCall* watchers[] = {&first, &second};
  for (int i = 0; i < 2; ++i) {
    while (replicas[i].step() < 51) {
      ASSERT_TRUE(watchers[i]->Read(&response_));
      ApplyTo(replicas[i], response_);
    }
    EXPECT_EQ(replicas[i].digest(), digest);
  }
}

// Recording costs every step; whoever only looks at weights doesn't cause it.
TEST_P(WatchTest, AnAnchorAloneHoldsNothing) {
  const v1::Session session = Begin();
  TrainCall train(stub(), session.session_id());
  train.Exchange(RandomSamples(session, 4, random_));
  v1::GetWeightsResponse end;
  Weights(session, &end);
  ASSERT_EQ(end.step(), 4);
  train.Exchange(RandomSamples(session, 6, random_));
  WatchCall watch(stub(), session.session_id(), end.step());
  ExpectRefused(watch, "STEP_NOT_HELD");
}

TEST_P(WatchTest, WhoWatchedMayGoOnWhereItWas) {
  const v1::Session session = Begin();
  {
    WatchCall watch(stub(), session.session_id());
    ASSERT_TRUE(watch.Read(&response_));
  }
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_watch_streams ") == 0; }));
  TrainCall train(stub(), session.session_id());
  train.Exchange(RandomSamples(session, 4, random_));
  train.Exchange(RandomSamples(session, 6, random_));
  WatchCall again(stub(), session.session_id(), 4);
  ASSERT_TRUE(again.Read(&response_));
  EXPECT_EQ(response_.step(), 4);
  EXPECT_EQ(response_.next_offset(), 4);
  ASSERT_TRUE(again.Read(&response_));
  EXPECT_EQ(response_.base_step(), 4);
  EXPECT_EQ(response_.step(), 10);
  EXPECT_EQ(response_.errors_size(), 6);
}

TEST_P(WatchTest, StepsThatAreNotHeldAreRefused) {
  const v1::Session session = Create(Spec(6, {9, 3}));
  TrainCall train(stub(), session.session_id());
  train.Exchange(RandomSamples(session, 5, random_));
  WatchCall behind(stub(), session.session_id(), 2);
  ExpectRefused(behind, "STEP_NOT_HELD");
  WatchCall ahead(stub(), session.session_id(), 6);
  ExpectRefused(ahead, "STEP_NOT_REACHED");
  WatchCall nobody(stub(), "s-0123456789abcdef");
  ExpectRefused(nobody, "SESSION_NOT_FOUND");
}

TEST_P(WatchTest, StepTypedByHandComesWithItsValues) {
  const v1::Session session = Begin();
  WatchCall watch(stub(), session.session_id());
  ASSERT_TRUE(watch.Read(&response_));
  const auto step =
      Ask(&Stub::TrainStep,
          For<v1::TrainStepRequest>(
              session,
              "samples {inputs: [0.5, -1, 0, 2, 1, 0.25] class_number: 1}"));
  ASSERT_TRUE(watch.Read(&response_));
  EXPECT_TRUE(response_.inputs_are_values());
  EXPECT_EQ(Floats(response_.inputs()),
            (std::vector<float>{0.5F, -1, 0, 2, 1, 0.25F}));
  ReferenceReplica replica(session, anchor_);
  ApplyTo(replica, response_);
  EXPECT_EQ(replica.digest(), step.digest());
}

TEST_P(WatchTest, SlowWatcherIsToldToResyncAndSlowsNobody) {
  StartWith([](auto& o) { o.max_watched_bytes = 32 << 10; });
  const v1::Session session =
      Create(With(Spec(200, {100, 10}), "optimiser {learning_rate: 1e-4}"));
  WatchCall watch(stub(), session.session_id());
  ASSERT_TRUE(watch.Read(&response_));
  TrainCall train(stub(), session.session_id());
  for (int i = 0; i < 400; ++i) {  // far more than transport and feed hold
    ASSERT_FALSE(
        train.Exchange(RandomSamples(session, 32, random_)).has_rejection());
  }
  uint64_t at = 0;
  while (watch.Read(&response_) && !response_.resync()) {
    EXPECT_EQ(response_.base_step(), at);
    at = response_.step();
  }
  EXPECT_TRUE(response_.resync());
  EXPECT_EQ(response_.base_step(), at);
  EXPECT_LT(at, response_.step());
  EXPECT_EQ(Get(session).step(), 400 * 32);
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_P(WatchTest, DeletionIsTheLastWord) {
  const v1::Session session = Begin();
  WatchCall watch(stub(), session.session_id());
  ASSERT_TRUE(watch.Read(&response_));
  ASSERT_TRUE(Delete(session).ok());
  ASSERT_TRUE(watch.Read(&response_));
  EXPECT_TRUE(response_.session_deleted());
  EXPECT_FALSE(watch.Read(&response_));
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_P(WatchTest, DrainSaysGoodbye) {
  const v1::Session session = Begin();
  WatchCall watch(stub(), session.session_id());
  ASSERT_TRUE(watch.Read(&response_));
  std::thread drain([this] { server().Drain(); });
  ASSERT_TRUE(watch.Read(&response_));
  EXPECT_TRUE(response_.goodbye());
  EXPECT_FALSE(watch.Read(&response_));
  EXPECT_TRUE(IsGoodEndOfDrain(watch.Finish()));
  drain.join();
}

TEST_P(WatchTest, WatchersComeAndGoWhileASessionTrains) {
  const v1::Session session = Begin();
  std::atomic<bool> stop = false;
  std::thread trainer([&] {
    TrainCall train(stub(), session.session_id());
    while (!stop) train.Exchange(RandomSamples(session, 3, random_));
  });
  for (int i = 0; i < 30; ++i) {
    WatchCall watch(stub(), session.session_id());
    ASSERT_TRUE(watch.Read(&response_));
    uint64_t at = response_.step();
    for (int k = 0; k < i % 4; ++k) {
      ASSERT_TRUE(watch.Read(&response_));
      EXPECT_EQ(response_.base_step(), at);
      at = response_.step();
    }
  }
  stop = true;
  trainer.join();
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_watch_streams ") == 0; }));
}

BACKPROP_OVER_BOTH_TRANSPORTS(WatchTest);

}  // namespace
}  // namespace backprop::testing
