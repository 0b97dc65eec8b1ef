// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints as a client meets them: what a session was at one is what it is
// again, in its own numbers, to those who follow it, and after a restart.
#include <functional>
#include <future>
#include <set>

#include "server/store/sqlite_schema.h"
#include "tests/server/durable_service_fixture.h"
#include "tests/server/kept_session.h"
#include "tests/server/session_kinds.h"
#include "tests/server/train_call.h"
#include "tests/server/watch_call.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointsTest : public DurableServiceTest {
 protected:
  std::vector<v1::TrainRequest> Messages(const v1::Session& session,
                                         size_t count) {
    std::vector<v1::TrainRequest> messages;
    for (size_t i = 0; i < count; ++i) {
      messages.push_back(
          RandomSamples(session, 10 * session.spec().batch_size(), random_));
      messages.back().set_want_digest(true);
    }
    return messages;
  }

  // What it answers, but for which life it is and what of it is durable.
  std::vector<std::string> Train(
      const v1::Session& session,
      const std::vector<v1::TrainRequest>& messages) {
    TrainCall call(stub(), session);
    std::vector<std::string> answers;
    for (const v1::TrainRequest& message : messages) {
      v1::TrainResponse answer = call.Exchange(message);
      EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
      answer.clear_epoch();
      answer.clear_durable_step();
      answer.clear_durable_offset();
      answers.push_back(answer.SerializeAsString());
    }
    EXPECT_TRUE(call.Finish().ok());
    return answers;
  }

  static v1::CreateCheckpointRequest Creation(const v1::Session& session,
                                              const std::string& name) {
    auto request = For<v1::CreateCheckpointRequest>(session);
    request.set_name(name);
    return request;
  }
  v1::Checkpoint Keep(const v1::Session& session, const std::string& name) {
    return Ask(&Stub::CreateCheckpoint, Creation(session, name)).checkpoint();
  }
  grpc::Status TryKeep(const v1::Session& session, const std::string& name) {
    return Try(&Stub::CreateCheckpoint, Creation(session, name));
  }

  static v1::RewindSessionRequest Return(const v1::Session& session,
                                         const std::string& name) {
    auto request = For<v1::RewindSessionRequest>(session);
    request.set_checkpoint(name);
    return request;
  }
  v1::Session Rewind(const v1::Session& session, const std::string& name) {
    return Ask(&Stub::RewindSession, Return(session, name)).session();
  }
  grpc::Status TryRewind(const v1::Session& session, const std::string& name) {
    return Try(&Stub::RewindSession, Return(session, name));
  }

  v1::CreateSessionRequest ForkFrom(const v1::Session& session,
                                    const std::string& name) {
    v1::CreateSessionRequest request = ForkOf(session, true);
    request.mutable_fork()->set_checkpoint(name);
    return request;
  }

  std::vector<std::string> Names(const v1::Session& session) {
    const auto page =
        Ask(&Stub::ListCheckpoints, For<v1::ListCheckpointsRequest>(session));
    std::vector<std::string> names;
    for (const auto& each : page.checkpoints()) names.push_back(each.name());
    return names;
  }

  std::string Anchor(const v1::Session& session) {
    return KeptSession::Of(stub(), session.session_id()).anchor.DebugString();
  }

  std::mt19937 random_{17};
};

TEST_F(CheckpointsTest, WhatFollowsOnOneIsWhatFollowedTheFirstTime) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const v1::Session session = Create(SpecOf(kind));
    Train(session, Messages(session, 25));
    const v1::Checkpoint kept = Keep(session, "here");
    const v1::Session then = Get(session);
    EXPECT_EQ(kept.step(), then.step());
    EXPECT_EQ(kept.next_offset(), then.next_offset());
    EXPECT_EQ(kept.digest(), Digest(session));
    EXPECT_EQ(kept.epoch(), 1u);
    const std::string anchor = Anchor(session);
    const auto next = Messages(session, 10);
    const auto answers = Train(session, next);

    const v1::Session back = Rewind(session, "here");
    EXPECT_EQ(back.epoch(), 2u);
    EXPECT_EQ(back.step(), then.step());
    EXPECT_EQ(back.next_offset(), then.next_offset());
    EXPECT_EQ(back.durable_step(), then.step());
    EXPECT_EQ(back.learning_rate(), then.learning_rate());
    EXPECT_EQ(Anchor(session), anchor);
    EXPECT_EQ(Train(session, next), answers);
    const std::string end = Anchor(session);

    Restart();
    EXPECT_EQ(Anchor(session), end);
    EXPECT_EQ(Rewind(session, "here").epoch(), 4u);
    Restart();
    EXPECT_EQ(Anchor(session), anchor);
    EXPECT_EQ(Train(session, next), answers);
  }
}

TEST_F(CheckpointsTest, AForkOfOneGoesOnAsTheSessionDid) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const v1::Session session = Create(SpecOf(kind));
    Train(session, Messages(session, 25));
    Keep(session, "here");
    const auto weights = WeightsAndState(session);
    const auto next = Messages(session, 10);
    Train(session, next);
    const v1::Session fork = Create(ForkFrom(session, "here"));
    EXPECT_EQ(fork.forked_from(), session.session_id());
    EXPECT_EQ(fork.step(), 0u);
    EXPECT_EQ(WeightsAndState(fork), weights);
    // Dropout is a function of the step's number, which is another.
    if (session.spec().layers(0).dropout() > 0) continue;
    Train(fork, next);
    EXPECT_EQ(WeightsAndState(fork), WeightsAndState(session));
  }
}

TEST_F(CheckpointsTest, ASpecThatWasChangedSinceComesBackToo) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, Messages(session, 2));
  Keep(session, "before");
  v1::SessionSpec faster;
  faster.mutable_optimiser()->set_learning_rate(0.5F);
  faster.set_display_name("faster");
  Ask(&Stub::UpdateSession,
      UpdateOf(session, {"optimiser.learning_rate", "display_name"}, faster));
  Keep(session, "after");
  EXPECT_EQ(Rewind(session, "before").learning_rate(), 0.05F);
  EXPECT_EQ(Get(session).spec().display_name(), "");
  EXPECT_EQ(Rewind(session, "after").spec().display_name(), "faster");
  Restart();
  EXPECT_EQ(Get(session).learning_rate(), 0.5F);
  EXPECT_EQ(Rewind(session, "before").learning_rate(), 0.05F);
}

TEST_F(CheckpointsTest, WhoWatchesIsNeverGivenOneLifeOnTopOfAnother) {
  const v1::Session session =
      Create(With(Spec(8, {10, 4}), "optimiser {adam {}}"));
  Train(session, Messages(session, 2));
  Keep(session, "here");
  AnchoredReplica replica(session);
  WatchCall anchored(stub(), WithAnchor(session));
  WatchCall plain(stub(), session.session_id());
  v1::WatchDeltasResponse response;
  ASSERT_TRUE(plain.Read(&response));
  Train(session, Messages(session, 3));
  ASSERT_TRUE(replica.ReadTo(50, anchored));
  EXPECT_EQ(replica.replica().digest(), Digest(session));

  Rewind(session, "here");
  Train(session, Messages(session, 4));
  // An anchor of the new life, and what follows on it.
  while (replica.replica().digest() != Digest(session)) {
    ASSERT_TRUE(anchored.Read(&response));
    if (!response.has_anchor() && response.epoch() == 1) {
      FAIL() << "steps of the life that is over";
    }
    replica.Take(response);
  }
  EXPECT_GE(replica.anchors(), 2);
  EXPECT_EQ(replica.replica().step(), 60u);
  // Who takes no anchors is told to begin anew.
  uint64_t step = 20;
  while (plain.Read(&response) && !response.resync()) {
    EXPECT_EQ(response.base_step(), step);
    EXPECT_EQ(response.epoch(), 1u);
    step = response.step();
  }
  EXPECT_TRUE(response.resync());
  EXPECT_LE(step, 50u);
}

TEST_F(CheckpointsTest, AReplicaGoesOnOnlyFromWhatBothLivesHave) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, Messages(session, 2));
  Keep(session, "here");
  Train(session, Messages(session, 3));
  Rewind(session, "here");
  Train(session, Messages(session, 3));
  struct Case {
    uint64_t epoch;
    uint64_t step;
    bool resync;
  };
  for (const Case& each : std::vector<Case>{
           {1, 20, false}, {1, 21, true}, {1, 50, true}, {2, 50, false}}) {
    SCOPED_TRACE(each.epoch * 1000 + each.step);
    TrainCall call(stub());
    auto opening = For<v1::TrainRequest>(session);
    opening.mutable_replica()->set_epoch(each.epoch);
    opening.mutable_replica()->set_step(each.step);
    ASSERT_TRUE(call.Write(opening));
    const auto answer = call.ReadPart();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->resync(), each.resync);
    EXPECT_TRUE(call.Finish().ok());

    auto watch = For<v1::WatchDeltasRequest>(session);
    watch.set_epoch(each.epoch);
    watch.set_after_step(each.step);
    WatchCall watched(stub(), watch);
    v1::WatchDeltasResponse response;
    const bool begins = watched.Read(&response);
    EXPECT_EQ(begins, each.step == 50 && !each.resync);
    if (begins) continue;
    EXPECT_EQ(Reason(watched.Finish()),
              each.resync ? "EPOCH_OVER" : "STEP_NOT_HELD");
  }
}

TEST_F(CheckpointsTest, AreListedPageByPage) {
  const v1::Session session = Create(Spec(8, {4}));
  std::set<std::string> made;
  for (int i = 0; i < 25; ++i) {
    made.insert("c" + std::to_string(i));
    Keep(session, "c" + std::to_string(i));
  }
  auto request = For<v1::ListCheckpointsRequest>(session, "page_size: 10");
  std::vector<std::string> listed;
  int pages = 0;
  do {
    const auto page = Ask(&Stub::ListCheckpoints, request);
    for (const auto& each : page.checkpoints()) {
      EXPECT_EQ(each.session_id(), session.session_id());
      EXPECT_GT(each.stored_bytes(), 0u);
      listed.push_back(each.name());
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(listed, std::vector<std::string>(made.begin(), made.end()));
}

// Nothing can be committed while somebody else holds the store.
TEST_F(CheckpointsTest, NoChangeIsAnsweredBeforeItIsDurable) {
  const v1::Session session = Create(Spec(8, {4}));
  Keep(session, "early");
  auto other = ConnectToStoreFile(StoreFileIn(directory()), size_t{1} << 20);
  ASSERT_TRUE(other.ok()) << other.status();
  const auto waits = [&](const std::function<void()>& change) {
    EXPECT_TRUE(other->Execute("BEGIN IMMEDIATE").ok());
    auto answer = std::async(std::launch::async, change);
    const auto seen = answer.wait_for(std::chrono::milliseconds(200));
    EXPECT_TRUE(other->Execute("ROLLBACK").ok());
    answer.get();
    return seen == std::future_status::timeout;
  };
  EXPECT_TRUE(waits([&] { Keep(session, "late"); }));
  auto pinned = For<v1::UpdateCheckpointRequest>(session);
  pinned.set_name("late");
  pinned.set_pinned(true);
  pinned.mutable_update_mask()->add_paths("pinned");
  EXPECT_TRUE(waits([&] { Ask(&Stub::UpdateCheckpoint, pinned); }));
  EXPECT_TRUE(waits([&] { Rewind(session, "early"); }));
  auto gone = For<v1::DeleteCheckpointRequest>(session);
  gone.set_name("early");
  EXPECT_TRUE(waits([&] { Ask(&Stub::DeleteCheckpoint, gone); }));
  EXPECT_THAT(Names(session), ElementsAre("late"));
}

TEST_F(CheckpointsTest, CreatingOneIsSafeToRepeat) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, Messages(session, 1));
  const v1::Checkpoint first = Keep(session, "a");
  EXPECT_EQ(Keep(session, "a").DebugString(), first.DebugString());
  Train(session, Messages(session, 1));
  EXPECT_THAT(TryKeep(session, "a"),
              Fails(grpc::StatusCode::ALREADY_EXISTS, "CHECKPOINT_EXISTS"));
  EXPECT_THAT(Names(session), ElementsAre("a"));
}

TEST_F(CheckpointsTest, TermsChangeAndNothingElse) {
  const v1::Session session = Create(Spec(8, {4}));
  auto creation = Creation(session, "a");
  creation.mutable_expire_after()->set_seconds(3600);
  const v1::Checkpoint made =
      Ask(&Stub::CreateCheckpoint, creation).checkpoint();
  EXPECT_EQ(made.expire_time().seconds() - made.create_time().seconds(), 3600);
  Train(session, Messages(session, 1));
  auto update = For<v1::UpdateCheckpointRequest>(
      session, "name: 'a' pinned: true update_mask {paths: 'pinned'}");
  v1::Checkpoint expected = made;
  expected.set_pinned(true);
  EXPECT_EQ(Ask(&Stub::UpdateCheckpoint, update).checkpoint().DebugString(),
            expected.DebugString());
  auto deletion = For<v1::DeleteCheckpointRequest>(session, "name: 'a'");
  EXPECT_THAT(Try(&Stub::DeleteCheckpoint, deletion),
              IsInvalid(ElementsAre("name")));
  update = For<v1::UpdateCheckpointRequest>(
      session, "name: 'a' update_mask {paths: 'pinned' paths: 'expire_after'}");
  expected = made;
  expected.clear_expire_time();
  EXPECT_EQ(Ask(&Stub::UpdateCheckpoint, update).checkpoint().DebugString(),
            expected.DebugString());
  Restart();
  EXPECT_EQ(
      Ask(&Stub::ListCheckpoints, For<v1::ListCheckpointsRequest>(session))
          .checkpoints(0)
          .DebugString(),
      expected.DebugString());
  Ask(&Stub::DeleteCheckpoint, deletion);
  EXPECT_THAT(Names(session), ElementsAre());
  EXPECT_EQ(Reason(Try(&Stub::DeleteCheckpoint, deletion)),
            "CHECKPOINT_NOT_FOUND");
}

// Though nothing is done to the session.
TEST_F(CheckpointsTest, OneThatHasExpiredGoesByItself) {
  const v1::Session session = Create(Spec(8, {4}));
  auto creation = Creation(session, "a");
  creation.mutable_expire_after()->set_seconds(1);
  Ask(&Stub::CreateCheckpoint, creation);
  Keep(session, "b");
  EXPECT_TRUE(Eventually(
      [&] { return Names(session) == std::vector<std::string>{"b"}; }));
  EXPECT_EQ(Reason(TryRewind(session, "a")), "CHECKPOINT_NOT_FOUND");
}

TEST_F(CheckpointsTest, GoWithTheirSession) {
  const v1::Session session = Create(Spec(8, {4}));
  Keep(session, "a");
  const v1::Session fork = Create(ForkFrom(session, "a"));
  ASSERT_TRUE(Delete(session).ok());
  EXPECT_EQ(Reason(TryRewind(session, "a")), "SESSION_NOT_FOUND");
  Restart();
  EXPECT_EQ(Get(fork).step(), 0u);
}

TEST_F(CheckpointsTest, ASessionIsNotRewoundUnderItsWriter) {
  const v1::Session session = Create(Spec(8, {4}));
  Keep(session, "a");
  TrainCall call(stub(), session);
  call.Exchange(RandomSamples(session, 3, random_));
  EXPECT_THAT(
      TryRewind(session, "a"),
      Fails(grpc::StatusCode::FAILED_PRECONDITION, "SESSION_HAS_WRITER"));
  EXPECT_EQ(call.Exchange(RandomSamples(session, 3, random_)).step(), 6u);
  // It may be kept under its writer.
  EXPECT_EQ(Keep(session, "b").step(), 6u);
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(Eventually([&] { return Get(session).has_writer() == false; }));
  EXPECT_EQ(Rewind(session, "a").step(), 0u);
  EXPECT_EQ(Rewind(session, "b").step(), 6u);
}

TEST_F(CheckpointsTest, WhatIsWrongIsSaidOfItsField) {
  const v1::Session session = Create(Spec(8, {4}));
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a/b"), std::string("ä"),
        std::string(129, 'a')}) {
    EXPECT_THAT(TryKeep(session, name), IsInvalid(ElementsAre("name")));
    EXPECT_THAT(TryRewind(session, name), IsInvalid(ElementsAre("checkpoint")));
    if (name.empty()) continue;
    EXPECT_THAT(TryCreate(ForkFrom(session, name)),
                IsInvalid(ElementsAre("fork.checkpoint")));
  }
  EXPECT_TRUE(TryKeep(session, std::string(128, 'a')).ok());
  Keep(session, "a");
  for (const char* lag :
       {"expire_after {}", "expire_after {seconds: -1}",
        "expire_after {nanos: 999999999}", "expire_after {seconds: 4000000000}",
        "expire_after {seconds: 1 nanos: -1}"}) {
    EXPECT_THAT(Try(&Stub::CreateCheckpoint,
                    For<v1::CreateCheckpointRequest>(
                        session, std::string("name: 'x' ") + lag)),
                IsInvalid(ElementsAre("expire_after")))
        << lag;
  }
  const auto updates = std::vector<std::pair<const char*, const char*>>{
      {"", "update_mask"},
      {"update_mask {paths: 'step'}", "update_mask.paths[0]"},
      {"update_mask {paths: 'pinned' paths: 'pinned' paths: 'pinned'}",
       "update_mask"},
      {"expire_after {} update_mask {paths: 'expire_after'}", "expire_after"}};
  for (const auto& [text, field] : updates) {
    EXPECT_THAT(Try(&Stub::UpdateCheckpoint,
                    For<v1::UpdateCheckpointRequest>(
                        session, std::string("name: 'a' ") + text)),
                IsInvalid(ElementsAre(field)));
  }
  EXPECT_EQ(Reason(TryRewind(session, "b")), "CHECKPOINT_NOT_FOUND");
  EXPECT_EQ(Reason(TryCreate(ForkFrom(session, "b"))), "CHECKPOINT_NOT_FOUND");
}

TEST_F(CheckpointsTest, ASessionInMemoryOnlyHasNone) {
  const v1::Session session =
      Create(With(Spec(8, {4}), "durability {mode: DURABILITY_MODE_MEMORY}"));
  const grpc::Status refused = TryKeep(session, "a");
  EXPECT_THAT(refused,
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "NO_STORE"));
  EXPECT_THAT(refused.error_message(), HasSubstr("in memory only"));
  EXPECT_THAT(Names(session), ElementsAre());
  EXPECT_EQ(Reason(TryRewind(session, "a")), "CHECKPOINT_NOT_FOUND");
}

TEST_F(CheckpointsTest, ThereIsAMaximum) {
  const v1::Session session = Create(Spec(2, {1}));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, &session, t] {
      for (int i = 0; i < 125; ++i) {
        Keep(session, std::to_string(t * 1000 + i));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const grpc::Status refused = TryKeep(session, "more");
  EXPECT_THAT(refused,
              Fails(grpc::StatusCode::RESOURCE_EXHAUSTED, "SESSION_LIMIT"));
  EXPECT_THAT(refused.error_message(), HasSubstr("delete some"));
  Ask(&Stub::DeleteCheckpoint,
      For<v1::DeleteCheckpointRequest>(session, "name: '7'"));
  EXPECT_TRUE(TryKeep(session, "more").ok());
}

// A fork that was made is answered, be its origin's checkpoint gone.
TEST_F(CheckpointsTest, ForkingFromOneIsSafeToRepeat) {
  const v1::Session session = Create(Spec(8, {4}));
  Keep(session, "a");
  v1::CreateSessionRequest request = ForkFrom(session, "a");
  request.set_request_id("once");
  const v1::Session fork = Create(request);
  Ask(&Stub::DeleteCheckpoint,
      For<v1::DeleteCheckpointRequest>(session, "name: 'a'"));
  EXPECT_EQ(Create(request).session_id(), fork.session_id());
}

}  // namespace
}  // namespace backprop::testing
