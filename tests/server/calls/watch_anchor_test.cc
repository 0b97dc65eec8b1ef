// SPDX-License-Identifier: Apache-2.0
//
// Followers that take anchors: right at every step that they come to, whatever
// they missed between.
#include <atomic>
#include <random>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/server/watch_call.h"

namespace backprop::testing {
namespace {

class WatchAnchorTest : public ServiceTest {
 protected:
  // Trains message after message until it is told to stop.
  class Trainer {
   public:
    Trainer(v1::TrainingService::Stub& stub, const v1::Session& session)
        : thread_([this, &stub, session] {
            std::mt19937 random(8);
            v1::TrainOptions options;
            options.set_deltas(v1::DELTA_DETAIL_NONE);
            TrainCall train(stub, session, options);
            const v1::TrainRequest request = RandomSamples(session, 1, random);
            while (!stop_) {
              const v1::TrainResponse response = train.Exchange(request);
              ASSERT_FALSE(response.has_rejection());
              step_ = response.step();
            }
          }) {}
    ~Trainer() { Stop(); }

    void Stop() {
      stop_ = true;
      if (thread_.joinable()) thread_.join();
    }
    uint64_t step() const { return step_; }

   private:
    std::atomic<bool> stop_ = false;
    std::atomic<uint64_t> step_ = 0;
    std::thread thread_;
  };

  void Train(const v1::Session& session, std::initializer_list<size_t> counts) {
    TrainCall train(stub(), session);
    for (const size_t n : counts) {
      train.Exchange(RandomSamples(session, n, random_));
    }
    // A stream that is only cancelled may hold the session a moment longer.
    EXPECT_TRUE(train.Finish().ok());
  }

  std::mt19937 random_{9};
};

TEST_F(WatchAnchorTest, BeginsWithAnAnchorAndGoesOnFromItsStep) {
  for (const char* optimiser : {"optimiser {sgd {} learning_rate: 0.01}",
                                "optimiser {adam {} learning_rate: 0.01}"}) {
    SCOPED_TRACE(optimiser);
    const v1::Session session = Create(With(Spec(6, {9, 3}), optimiser));
    Train(session, {5});
    WatchCall watch(stub(), WithAnchor(session));
    AnchoredReplica follower(session);
    ASSERT_TRUE(follower.ReadTo(5, watch));
    EXPECT_EQ(follower.replica().step(), 5);
    Train(session, {1, 7, 40});
    ASSERT_TRUE(follower.ReadTo(53, watch));
    EXPECT_EQ(follower.anchors(), 1);
    EXPECT_EQ(follower.steps(), 48);
    EXPECT_EQ(follower.replica().numbers(), WeightsAndState(session));
  }
}

TEST_F(WatchAnchorTest, WhereDeltasAreHeldNoAnchorComes) {
  const v1::Session session = Create(Spec(6, {9, 3}));
  WatchCall keeper(stub(), WithAnchor(session));
  AnchoredReplica kept(session);
  ASSERT_TRUE(kept.ReadTo(0, keeper));
  Train(session, {4, 6});
  v1::WatchDeltasRequest request = WithAnchor(session);
  request.set_after_step(4);
  WatchCall watch(stub(), request);
  v1::WatchDeltasResponse response;
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_FALSE(response.has_anchor());
  EXPECT_EQ(response.step(), 4);
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_EQ(response.base_step(), 4);
  EXPECT_EQ(response.step(), 10);
}

TEST_F(WatchAnchorTest, WhereDeltasAreNotHeldAnAnchorComes) {
  const v1::Session session = Create(Spec(6, {9, 3}));
  Train(session, {4, 6});
  for (const uint64_t after : {4, 11}) {  // too old, and not reached
    v1::WatchDeltasRequest request = WithAnchor(session);
    request.set_after_step(after);
    WatchCall watch(stub(), request);
    AnchoredReplica follower(session);
    v1::WatchDeltasResponse response;
    ASSERT_TRUE(watch.Read(&response));
    ASSERT_TRUE(response.has_anchor());
    EXPECT_TRUE(response.anchor_done());
    follower.Take(response);
    EXPECT_EQ(follower.replica().step(), 10);
    EXPECT_EQ(follower.replica().digest(), Digest(session));
  }
}

// A step's delta is 4 MB, all that the feed holds, and steps come faster than a
// reader takes them: with GetWeights and then WatchDeltas, the step was
// gone by the time that the anchor had been read.
TEST_F(WatchAnchorTest, ALargeDenseLayerIsFollowedAtFullSpeed) {
  const v1::Session session = Create(With(
      Spec(999, {1000}),
      "layers {delta_form: DELTA_FORM_DENSE} optimiser {learning_rate: 1e-6}"));
  Trainer trainer(stub(), session);
  for (int i = 0; i < 3; ++i) {
    WatchCall watch(stub(), WithAnchor(session));
    AnchoredReplica follower(session);
    ASSERT_TRUE(follower.ReadTo(0, watch)) << watch.Finish().error_message();
    uint64_t at = follower.replica().step();
    for (int k = 0; k < 4; ++k) {  // it gets on, however slowly it reads
      ASSERT_TRUE(follower.ReadTo(at + 1, watch))
          << watch.Finish().error_message();
      at = follower.replica().step();
    }
  }
  WatchCall watch(stub(), WithAnchor(session));
  AnchoredReplica follower(session);
  ASSERT_TRUE(follower.ReadTo(0, watch));
  trainer.Stop();
  ASSERT_TRUE(follower.ReadTo(trainer.step(), watch));
  EXPECT_EQ(follower.replica().digest(), Digest(session));
}

TEST_F(WatchAnchorTest, ASlowWatcherGoesOnFromAnAnchorAndSlowsNobody) {
  StartWith([](auto& o) { o.max_watched_bytes = 32 << 10; });
  const v1::Session session =
      Create(With(Spec(200, {100, 10}), "optimiser {learning_rate: 1e-4}"));
  WatchCall watch(stub(), WithAnchor(session));
  AnchoredReplica follower(session);
  ASSERT_TRUE(follower.ReadTo(0, watch));
  TrainCall train(stub(), session);
  constexpr uint64_t kMessages = 400;  // far more than transport and feed hold
  for (uint64_t i = 0; i < kMessages; ++i) {
    train.Exchange(RandomSamples(session, 32, random_));
  }
  ASSERT_TRUE(follower.ReadTo(kMessages * 32, watch));
  EXPECT_GT(follower.anchors(), 1);
  EXPECT_LT(follower.steps(), kMessages * 32);
  EXPECT_EQ(follower.replica().digest(), Digest(session));
  train.Exchange(RandomSamples(session, 3, random_));
  ASSERT_TRUE(follower.ReadTo(kMessages * 32 + 3, watch));
  EXPECT_EQ(follower.replica().digest(), Digest(session));
}

TEST_F(WatchAnchorTest, DeletionAmongAnAnchorsChunksIsTheLastWord) {
  const v1::Session session = Create(Spec(1000, {1000}));
  WatchCall watch(stub(), WithAnchor(session));
  v1::WatchDeltasResponse response;
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_FALSE(response.anchor_done());
  AnchoredReplica follower(session);
  follower.Take(response);
  ASSERT_TRUE(Delete(session).ok());
  while (watch.Read(&response) && !response.session_deleted()) {
    follower.Take(response);
  }
  EXPECT_TRUE(response.session_deleted());
  EXPECT_TRUE(follower.has_begun()) << "its weights had been copied already";
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(WatchAnchorTest, StateWithoutAnAnchorIsRefused) {
  const v1::Session session = Create(Spec(6, {9, 3}));
  auto request = For<v1::WatchDeltasRequest>(session);
  request.set_with_state(true);
  WatchCall watch(stub(), request);
  v1::WatchDeltasResponse response;
  EXPECT_FALSE(watch.Read(&response));
  EXPECT_EQ(Fields(watch.Finish()), std::vector<std::string>{"with_state"});
}

TEST_F(WatchAnchorTest, CopiesForWatchersAreBoundedAndGivenBack) {
  StartWith([](auto& o) { o.max_total_weights = 15'000'000; });
  const v1::Session session = Create(Spec(2999, {3000}));  // 9 M weights
  v1::WatchDeltasResponse response;
  {
    WatchCall unread(stub(), WithAnchor(session));
    ASSERT_TRUE(unread.Read(&response));
    WatchCall other(stub(), WithAnchor(session));
    EXPECT_FALSE(other.Read(&response));
    EXPECT_EQ(Reason(other.Finish()), "QUEUE_LIMIT");
  }
  EXPECT_TRUE(Eventually([&] {
    WatchCall other(stub(), WithAnchor(session));
    return other.Read(&response);
  })) << "a watcher that goes gives back what it had";
}

TEST_F(WatchAnchorTest, ALearntStandardisationComesWithTheAnchor) {
  const v1::Session session = Create(
      With(Spec(6, {9, 3}), "input {standardisation {learn_samples: 8}}"));
  Train(session, {8, 3});
  WatchCall watch(stub(), WithAnchor(session));
  v1::WatchDeltasResponse response;
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_EQ(response.step(), 3);
  EXPECT_EQ(response.next_offset(), 11);
  EXPECT_EQ(response.anchor().standardisation().mean_size(), 6);
}

// What was learnt is held as a piece of no steps, at the step where a later
// watcher's anchor is; that has it already.
TEST_F(WatchAnchorTest, ALearntStandardisationComesOnceOnly) {
  const v1::Session session = Create(
      With(Spec(6, {9, 3}), "input {standardisation {learn_samples: 8}}"));
  WatchCall keeper(stub(), WithAnchor(session));  // so that pieces are held
  v1::WatchDeltasResponse response;
  ASSERT_TRUE(keeper.Read(&response));
  Train(session, {8});
  WatchCall watch(stub(), WithAnchor(session));
  ASSERT_TRUE(watch.Read(&response));
  ASSERT_TRUE(response.anchor_done());
  EXPECT_EQ(response.anchor().standardisation().mean_size(), 6);
  ASSERT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  Train(session, {2});
  ASSERT_TRUE(watch.Read(&response));
  EXPECT_FALSE(response.has_standardisation());
  EXPECT_EQ(response.step(), 2);
}

// A step's delta is 40 kB, more than the requests' bytes make room for.
TEST_F(WatchAnchorTest, AServerOfSmallMessagesTellsLargeSteps) {
  StartWith([](auto& o) { o.max_message_bytes = 2048; });
  const v1::Session session =
      Create(With(Spec(100, {100}), "layers {delta_form: DELTA_FORM_DENSE}"));
  WatchCall watch(stub(), WithAnchor(session));
  AnchoredReplica follower(session);
  ASSERT_TRUE(follower.ReadTo(0, watch));
  Train(session, {1});
  ASSERT_TRUE(follower.ReadTo(1, watch));
  EXPECT_EQ(follower.anchors(), 1);
  EXPECT_EQ(follower.steps(), 1);
}

}  // namespace
}  // namespace backprop::testing
