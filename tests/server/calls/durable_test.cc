// SPDX-License-Identifier: Apache-2.0
//
// Sessions in a store: what a client finds after the server has been started
// anew, against a session that went on in memory. Crashes are
// tests/end_to_end's.
#include <functional>

#include "tests/server/durable_service_fixture.h"
#include "tests/server/kept_session.h"
#include "tests/server/session_kinds.h"
#include "tests/server/train_call.h"
#include "tests/server/watch_call.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DurableTest : public DurableServiceTest {
 protected:
  // On a server with room for one: another takes its place.
  void Evict(const v1::Session& session, const v1::Session& other) {
    const auto use =
        PredictionOf(other.session_id(), std::vector<float>(3, 1.0F));
    EXPECT_TRUE(Eventually([&] {
      return Try(&Stub::Predict, use).ok() && !Get(session).resident();
    }));
  }

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

  // What it answers, but for what tells of the store or the stream.
  std::vector<std::string> Train(
      const v1::Session& session,
      const std::vector<v1::TrainRequest>& messages) {
    TrainCall call(stub(), session);
    std::vector<std::string> answers;
    for (const v1::TrainRequest& message : messages) {
      v1::TrainResponse answer = call.Exchange(message);
      EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
      answer.clear_message_number();
      answer.clear_epoch();
      answer.clear_durable_step();
      answer.clear_durable_offset();
      answers.push_back(answer.SerializeAsString());
    }
    EXPECT_TRUE(call.Finish().ok());
    return answers;
  }

  bool BecomesDurable(const v1::Session& session) {
    return Eventually([&] {
      const v1::Session now = Get(session);
      return now.durable_step() == now.step() &&
             now.durable_offset() == now.next_offset();
    });
  }

  static void ExpectTheNextLifeOf(v1::Session before, v1::Session after) {
    EXPECT_EQ(after.epoch(), before.epoch() + 1);
    EXPECT_EQ(after.durable_step(), after.step());
    EXPECT_EQ(after.durable_offset(), after.next_offset());
    EXPECT_GT(after.stored_bytes(), 0u);
    for (v1::Session* const each : {&before, &after}) {
      each->clear_epoch();
      each->clear_durable_step();
      each->clear_durable_offset();
      each->clear_resident();
      each->clear_resident_bytes();
      each->clear_stored_bytes();
    }
    EXPECT_EQ(after.DebugString(), before.DebugString());
  }

  static v1::SessionSpec InMemory(v1::SessionSpec spec) {
    spec.clear_durability();
    spec.mutable_durability()->set_mode(v1::DURABILITY_MODE_MEMORY);
    return spec;
  }

  std::vector<v1::Session> List() {
    v1::ListSessionsRequest request;
    request.set_page_size(3);
    std::vector<v1::Session> all;
    do {
      const auto page = Ask(&Stub::ListSessions, request);
      all.insert(all.end(), page.sessions().begin(), page.sessions().end());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return all;
  }

  std::mt19937 random_{17};
};

TEST_F(DurableTest, ASessionGoesOnAfterARestartAsOneThatWasNeverStored) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const v1::Session stored = Create(SpecOf(kind));
    const auto first = Messages(stored, 105);
    const auto second = Messages(stored, 10);
    Train(stored, first);
    const v1::Session before = Get(stored);
    Restart();
    ExpectTheNextLifeOf(before, Get(stored));
    EXPECT_FALSE(Get(stored).resident());
    const auto answers = Train(stored, second);
    const KeptSession end = KeptSession::Of(stub(), stored.session_id());

    const v1::Session twin = Create(InMemory(SpecOf(kind)));
    Train(twin, first);
    EXPECT_EQ(Train(twin, second), answers);
    EXPECT_EQ(KeptSession::Of(stub(), twin.session_id()).anchor.DebugString(),
              end.anchor.DebugString());
  }
}

// One restart after another, each with a few steps only: what the store has is
// then an image and rows, and is read again as it was written.
TEST_F(DurableTest, RestartsOneAfterAnotherLoseNothing) {
  const v1::Session stored =
      Create(With(Spec(50, {40, 3}), "optimiser {adam {}}"));
  std::vector<v1::TrainRequest> all;
  for (int life = 1; life <= 8; ++life) {
    const auto some = Messages(stored, 1);
    Train(stored, some);
    all.insert(all.end(), some.begin(), some.end());
    Restart();
    EXPECT_EQ(Get(stored).epoch(), static_cast<uint64_t>(life + 1));
  }
  const v1::Session twin = Create(InMemory(stored.spec()));
  Train(twin, all);
  EXPECT_EQ(Digest(stored), Digest(twin));
}

// In memory, then in the store, and again: what is trained is what a session
// that stays in memory is trained to, answer by answer.
TEST_F(DurableTest, ASessionThatLeavesMemoryGoesOnAsOneThatStays) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    RestartWith([](ServerOptions& options) { options.max_sessions = 1; });
    const v1::Session stored = Create(SpecOf(kind));
    const auto messages = Messages(stored, 110);
    std::vector<std::string> answers;
    v1::Session other;
    ASSERT_TRUE(Eventually([&] {
      v1::CreateSessionRequest request;
      *request.mutable_spec() = Spec(3, {2});
      v1::CreateSessionResponse response;
      const bool made = Call(&Stub::CreateSession, request, &response).ok();
      other = response.session();
      return made;
    }));
    for (size_t begin = 0; begin < messages.size(); begin += 22) {
      const auto some = Train(
          stored, {messages.begin() + begin, messages.begin() + begin + 22});
      answers.insert(answers.end(), some.begin(), some.end());
      ASSERT_TRUE(BecomesDurable(stored));
      const v1::Session before = Get(stored);
      EXPECT_TRUE(before.resident());
      Evict(stored, other);
      ExpectTheNextLifeOf(before, Get(stored));
    }
    EXPECT_EQ(Get(stored).epoch(), 6u + 1u);
    const KeptSession end = KeptSession::Of(stub(), stored.session_id());

    Restart();
    const v1::Session twin = Create(InMemory(SpecOf(kind)));
    EXPECT_EQ(Train(twin, messages), answers);
    EXPECT_EQ(KeptSession::Of(stub(), twin.session_id()).anchor.DebugString(),
              end.anchor.DebugString());
  }
}

// Each way to use a session is the first one.
TEST_F(DurableTest, EveryCallBringsItsSessionIntoMemory) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = Spec(3, {2});
  request.set_request_id("the same");
  const v1::Session session = Create(request);
  const std::vector<std::pair<const char*, std::function<void()>>> uses = {
      {"TrainStep",
       [&] {
         auto step = For<v1::TrainStepRequest>(
             session, "samples {inputs: [1, 2, 3] targets: [1, 0]}");
         Ask(&Stub::TrainStep, step);
       }},
      {"Predict",
       [&] {
         Ask(&Stub::Predict,
             PredictionOf(session.session_id(), {1.0F, 2.0F, 3.0F}));
       }},
      {"UpdateSession",
       [&] {
         v1::SessionSpec spec;
         spec.set_display_name("changed");
         Ask(&Stub::UpdateSession, UpdateOf(session, {"display_name"}, spec));
       }},
      {"Train", [&] { Train(session, Messages(session, 2)); }},
      {"Evaluate",
       [&] {
         v1::EvaluateResponse response;
         EXPECT_TRUE(EvaluateAll({EvaluationOf(session.session_id(), {1, 2, 3},
                                               {1, 0})},
                                 &response)
                         .ok());
       }},
      {"GetWeights", [&] { Weights(session); }},
      {"WatchDeltas",
       [&] {
         auto watch = For<v1::WatchDeltasRequest>(session);
         watch.set_with_anchor(true);
         grpc::ClientContext context;
         const auto reader = stub().WatchDeltas(&context, watch);
         v1::WatchDeltasResponse first;
         EXPECT_TRUE(reader->Read(&first));
         context.TryCancel();
         reader->Finish();
       }},
      {"CreateSession again",
       [&] { EXPECT_EQ(Create(request).session_id(), session.session_id()); }},
      {"fork",
       [&] { EXPECT_TRUE(Delete(Create(ForkOf(session, true))).ok()); }},
  };
  for (const auto& [name, use] : uses) {
    SCOPED_TRACE(name);
    Restart();
    const uint64_t epoch = Get(session).epoch();
    EXPECT_FALSE(Get(session).resident());
    use();
    EXPECT_TRUE(Get(session).resident());
    EXPECT_EQ(Get(session).epoch(), epoch);
  }
}

TEST_F(DurableTest, StepsTypedByHandAndUpdatesSurvive) {
  const v1::Session session = Create(Spec(3, {2}));
  auto step = For<v1::TrainStepRequest>(
      session, "samples {inputs: [1, 2, 3] targets: [1, 0]}");
  uint64_t digest = 0;
  for (int i = 0; i < 3; ++i) {
    digest = Ask(&Stub::TrainStep, step).digest();
  }
  v1::SessionSpec faster;
  faster.mutable_optimiser()->set_learning_rate(0.5F);
  Ask(&Stub::UpdateSession,
      UpdateOf(session, {"optimiser.learning_rate"}, faster));
  Restart();
  EXPECT_EQ(Get(session).step(), 3u);
  EXPECT_EQ(Get(session).learning_rate(), 0.5F);
  EXPECT_EQ(Digest(session), digest);
}

TEST_F(DurableTest, ADeletedSessionStaysDeleted) {
  const v1::Session kept = Create(Spec(3, {2}));
  const v1::Session deleted = Create(Spec(3, {2}));
  EXPECT_TRUE(Delete(deleted).ok());
  Restart();
  EXPECT_EQ(Get(kept).session_id(), kept.session_id());
  EXPECT_THAT(Delete(deleted),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
}

TEST_F(DurableTest, ARequestIdMeansTheSameSessionAfterARestart) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = Spec(3, {2});
  request.set_request_id("the same");
  const v1::Session made = Create(request);
  Restart();
  EXPECT_EQ(Create(request).session_id(), made.session_id());
  request.mutable_spec()->set_digest_every(7);
  EXPECT_THAT(TryCreate(request),
              Fails(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"));
}

TEST_F(DurableTest, AListTellsOfAllAndWhichOfThemAreInMemory) {
  std::vector<v1::Session> made;
  for (int i = 0; i < 8; ++i) {
    made.push_back(Create(Spec(3, {2})));
    Train(made.back(), Messages(made.back(), i));
  }
  Restart();
  std::ranges::sort(made, {}, &v1::Session::session_id);
  Weights(made[2]);
  Weights(made[6]);
  made.push_back(Create(Spec(3, {2})));
  std::ranges::sort(made, {}, &v1::Session::session_id);
  const auto listed = List();
  ASSERT_EQ(listed.size(), made.size());
  size_t resident = 0;
  for (size_t i = 0; i < made.size(); ++i) {
    const v1::Session alone = Get(made[i]);
    EXPECT_EQ(listed[i].DebugString(), alone.DebugString());
    EXPECT_EQ(listed[i].session_id(), made[i].session_id());
    EXPECT_EQ(alone.resident_bytes(), alone.resident() ? 32u : 0u);
    EXPECT_GT(alone.stored_bytes(), 32u);
    resident += alone.resident();
  }
  EXPECT_EQ(resident, 3u);
  EXPECT_EQ(Metric("backprop_sessions "), 9);
  EXPECT_EQ(Metric("backprop_resident_sessions "), 3);
  EXPECT_EQ(Metric("backprop_session_weights "), 3 * 8);
  EXPECT_EQ(Metric("backprop_session_load_duration_seconds_count "), 2);
}

TEST_F(DurableTest, OneThatIsInTheStoreIsDeletedThere) {
  const v1::Session deleted = Create(Spec(3, {2}));
  const v1::Session kept = Create(Spec(3, {2}));
  Restart();
  EXPECT_TRUE(Delete(deleted).ok());
  EXPECT_THAT(Delete(deleted),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
  EXPECT_EQ(Metric("backprop_session_load_duration_seconds_count "), 0);
  EXPECT_EQ(Metric("backprop_sessions "), 1);
  Restart();
  EXPECT_THAT(Delete(deleted),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
  EXPECT_EQ(List().size(), 1u);
}

TEST_F(DurableTest, ASessionSaysWhenItExpires) {
  const v1::Session session =
      Create(With(Spec(3, {2}), "expire_after {seconds: 3600 nanos: 5}"));
  EXPECT_EQ(session.spec().expire_after().nanos(), 5);
  const auto in = [](const v1::Session& of) {
    return static_cast<double>(of.expire_time().seconds()) -
           static_cast<double>(time(nullptr));
  };
  EXPECT_NEAR(in(session), 3600, 10);
  Restart();
  EXPECT_NEAR(in(Get(session)), 3600 * 9 / 8, 10);
  EXPECT_FALSE(Get(session).resident());
  v1::SessionSpec longer;
  longer.mutable_expire_after()->set_seconds(7200);
  Ask(&Stub::UpdateSession, UpdateOf(session, {"expire_after"}, longer));
  EXPECT_NEAR(in(Get(session)), 7200, 10);
  Ask(&Stub::UpdateSession, UpdateOf(session, {"expire_after"}, {}));
  EXPECT_FALSE(Get(session).has_expire_time());
  for (const char* bad :
       {"expire_after {}", "expire_after {seconds: 59 nanos: 999999999}",
        "expire_after {seconds: 315360001}", "expire_after {seconds: -60}",
        "expire_after {seconds: 60 nanos: -1}",
        "expire_after {seconds: 9223372036854775807}"}) {
    SCOPED_TRACE(bad);
    const grpc::Status refused = TryCreate(With(Spec(3, {2}), bad));
    EXPECT_THAT(refused,
                IsInvalid(::testing::ElementsAre("spec.expire_after")));
  }
}

TEST_F(DurableTest, ASessionThatIsLongIdleLeavesMemory) {
  RestartWith([](ServerOptions& options) { options.evict_after_seconds = 1; });
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session);
  const v1::Session idle = Create(Spec(3, {2}));
  EXPECT_TRUE(Eventually([&] { return !Get(idle).resident(); }));
  EXPECT_TRUE(Get(session).resident());  // a stream is open
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(Eventually([&] { return !Get(session).resident(); }));
  EXPECT_EQ(Metric("backprop_session_evictions_total "), 2);
  EXPECT_EQ(Metric("backprop_resident_sessions "), 0);
}

TEST_F(DurableTest, AStepByHandThatIsRepeatedIsDoneOnceAcrossRestarts) {
  const v1::Session session = Create(Spec(3, {2}));
  auto step = For<v1::TrainStepRequest>(
      session, "request_id: 'a' samples {inputs: [1, 2, 3] targets: [1, 0]}");
  const auto first = Ask(&Stub::TrainStep, step);
  EXPECT_FALSE(first.already_applied());
  auto other = step;
  other.set_request_id("b");
  EXPECT_EQ(Ask(&Stub::TrainStep, other).step(), 2u);
  const uint64_t digest = Digest(session);
  for (int life = 1; life <= 3; ++life) {
    const auto again = Ask(&Stub::TrainStep, step);
    EXPECT_TRUE(again.already_applied());
    EXPECT_EQ(again.step(), 1u);
    EXPECT_EQ(again.epoch(), static_cast<uint64_t>(life));
    EXPECT_EQ(again.deltas_size(), 0);
    step.mutable_samples(0)->set_inputs(0, 9);
    EXPECT_THAT(Try(&Stub::TrainStep, step),
                Fails(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"));
    step.mutable_samples(0)->set_inputs(0, 1);
    EXPECT_EQ(Digest(session), digest);
    Restart();
  }
}

TEST_F(DurableTest, AnUpdateThatIsRepeatedIsDoneOnceAcrossRestarts) {
  const v1::Session session = Create(Spec(3, {2}));
  v1::SessionSpec faster;
  faster.mutable_optimiser()->set_learning_rate(0.5F);
  auto first = UpdateOf(session, {"optimiser.learning_rate"}, faster);
  first.set_request_id("first");
  EXPECT_EQ(Ask(&Stub::UpdateSession, first).first_step(), 1u);
  Train(session, Messages(session, 1));
  faster.mutable_optimiser()->set_learning_rate(0.25F);
  auto second = UpdateOf(session, {"optimiser.learning_rate"}, faster);
  second.set_request_id("second");
  EXPECT_EQ(Ask(&Stub::UpdateSession, second).first_step(), 11u);
  for (int life = 1; life <= 2; ++life) {
    const auto again = Ask(&Stub::UpdateSession, first);
    EXPECT_TRUE(again.already_applied());
    EXPECT_EQ(again.first_step(), 1u);
    EXPECT_EQ(again.session().learning_rate(), 0.25F);
    second.mutable_spec()->mutable_optimiser()->set_learning_rate(2);
    EXPECT_THAT(Try(&Stub::UpdateSession, second),
                Fails(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"));
    // Of another method it is another request.
    auto step = For<v1::TrainStepRequest>(
        session,
        "request_id: 'first' samples {inputs: [1, 2, 3] "
        "targets: [1, 0]}");
    EXPECT_THAT(Try(&Stub::TrainStep, step),
                Fails(grpc::StatusCode::ALREADY_EXISTS, "REQUEST_ID_REUSED"));
    Restart();
  }
}

TEST_F(DurableTest, TheLastSixteenRequestsAreRemembered) {
  const v1::Session session = Create(Spec(3, {2}));
  auto step = For<v1::TrainStepRequest>(
      session, "samples {inputs: [1, 2, 3] targets: [1, 0]}");
  for (int i = 1; i <= 17; ++i) {
    step.set_request_id(std::to_string(i));
    EXPECT_EQ(Ask(&Stub::TrainStep, step).step(), static_cast<uint64_t>(i));
  }
  Restart();
  for (int i = 2; i <= 17; ++i) {
    step.set_request_id(std::to_string(i));
    EXPECT_EQ(Ask(&Stub::TrainStep, step).step(), static_cast<uint64_t>(i));
  }
  step.set_request_id("1");
  EXPECT_EQ(Ask(&Stub::TrainStep, step).step(), 18u) << "long forgotten";
  step.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(Try(&Stub::TrainStep, step),
              IsInvalid(ElementsAre("request_id")));
  const v1::Session fork = Create(ForkOf(session, /*with_state=*/true));
  step.set_session_id(fork.session_id());
  step.set_request_id("17");
  EXPECT_FALSE(Ask(&Stub::TrainStep, step).already_applied());
}

TEST_F(DurableTest, ASessionInMemoryOnlyEndsWithTheServer) {
  const v1::Session session = Create(InMemory(Spec(3, {2})));
  EXPECT_EQ(session.spec().durability().mode(), v1::DURABILITY_MODE_MEMORY);
  Train(session, Messages(session, 1));
  EXPECT_EQ(Get(session).durable_step(), 0u);
  EXPECT_EQ(Get(session).epoch(), 1u);
  Restart();
  EXPECT_THAT(Delete(session),
              Fails(grpc::StatusCode::NOT_FOUND, "SESSION_NOT_FOUND"));
}

TEST_F(DurableTest, DurabilityIsTheServersUnlessItIsAskedFor) {
  EXPECT_EQ(Create(Spec(3, {2})).spec().durability().mode(),
            v1::DURABILITY_MODE_DURABLE);
  StartServer(SmallLimits());
  EXPECT_EQ(Create(Spec(3, {2})).spec().durability().mode(),
            v1::DURABILITY_MODE_MEMORY);
  const grpc::Status refused = TryCreate(
      With(Spec(3, {2}), "durability {mode: DURABILITY_MODE_DURABLE}"));
  EXPECT_THAT(refused,
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "NO_STORE"));
  EXPECT_THAT(refused.error_message(), HasSubstr("--data-dir"));
}

TEST_F(DurableTest, ALagThatIsNoneIsRefused) {
  for (const char* lag :
       {"max_lag {}", "max_lag {seconds: 3601}", "max_lag {seconds: -1}",
        "max_lag {nanos: 999999}", "max_lag {seconds: 1 nanos: 1000000000}"}) {
    SCOPED_TRACE(lag);
    const grpc::Status refused =
        TryCreate(With(Spec(3, {2}), std::string("durability {mode: "
                                                 "DURABILITY_MODE_DURABLE ") +
                                         lag + "}"));
    EXPECT_THAT(refused,
                Fails(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST"));
    EXPECT_THAT(refused.error_message(), HasSubstr("spec.durability.max_lag"));
  }
  EXPECT_THAT(TryCreate(With(Spec(3, {2}), "durability {}")),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST"));
}

// What has been answered becomes durable though nothing more is asked for.
TEST_F(DurableTest, AnIdleSessionBecomesDurable) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, Messages(session, 3));
  EXPECT_TRUE(BecomesDurable(session));
}

TEST_F(DurableTest, AnIdleStreamIsToldOfWhatHasBecomeDurable) {
  const v1::Session session = Create(Spec(8, {4}));
  v1::TrainOptions options;
  options.set_tell_durable(true);
  TrainCall call(stub(), session, options);
  for (uint64_t number = 1; number <= 3; ++number) {
    const auto answer = call.Exchange(Messages(session, 1).front());
    EXPECT_FALSE(answer.durable_news());
    uint64_t durable_step = answer.durable_step();
    while (durable_step < answer.step()) {
      const auto news = call.ReadPart();
      ASSERT_TRUE(news.has_value());
      EXPECT_TRUE(news->durable_news());
      EXPECT_FALSE(news->message_done());
      EXPECT_EQ(news->message_number(), number);
      EXPECT_EQ(news->base_step(), answer.step());
      EXPECT_EQ(news->step(), answer.step());
      EXPECT_EQ(news->next_offset(), answer.next_offset());
      EXPECT_EQ(news->epoch(), answer.epoch());
      EXPECT_GT(news->durable_step(), durable_step);
      EXPECT_EQ(news->durable_offset(), news->durable_step());
      durable_step = news->durable_step();
    }
    EXPECT_EQ(durable_step, answer.step());
  }
  EXPECT_TRUE(call.Finish().ok());
}

// However long the session's lag is.
TEST_F(DurableTest, AnAnswerMayWaitUntilItIsDurable) {
  const v1::Session session =
      Create(With(Spec(8, {4}),
                  "durability {mode: DURABILITY_MODE_DURABLE "
                  "max_lag {seconds: 3600}}"));
  for (const bool coalesce : {false, true}) {
    v1::TrainOptions options;
    options.set_coalesce(coalesce);
    TrainCall call(stub(), session, options);
    auto messages = Messages(session, 30);
    for (size_t i = 0; i < messages.size(); ++i) {
      messages[i].set_when_durable(i % 3 == 1);
      ASSERT_TRUE(call.Write(messages[i]));
    }
    uint64_t at = call.opening()->step(), durable = 0, number = 0;
    while (number < messages.size() - 1) {  // what is behind it needn't wait
      const auto part = call.ReadPart();
      ASSERT_TRUE(part.has_value());
      EXPECT_EQ(part->base_step(), at);
      EXPECT_GE(part->durable_step(), durable) << "of answers in order";
      at = part->step();
      number = part->message_number();
      durable = part->durable_step();
      if (number % 3 == 2 && part->message_done()) {
        EXPECT_GE(durable, at);
        EXPECT_GE(part->durable_offset(), part->next_offset());
      }
    }
    EXPECT_TRUE(call.Finish().ok());
  }
}

// Nobody reads, so that the last answer is held back to be merged with more,
// which doesn't come.
TEST_F(DurableTest, AnAnswerHeldBackThatWaitsHurriesTheCommit) {
  const v1::Session session =
      Create(With(Spec(256, {256}),
                  "durability {mode: DURABILITY_MODE_DURABLE "
                  "max_lag {seconds: 3600}}"));
  v1::TrainOptions options;
  options.set_coalesce(true);
  TrainCall call(stub(), session, options);
  auto messages = Messages(session, 60);
  messages.back().set_when_durable(true);
  for (const v1::TrainRequest& message : messages) {
    ASSERT_TRUE(call.Write(message));
  }
  ASSERT_TRUE(Eventually([&] { return Get(session).step() == 600; }));
  uint64_t number = 0;
  while (number < messages.size()) {
    const auto part = call.ReadPart();
    ASSERT_TRUE(part.has_value());
    number = part->message_number();
  }
  EXPECT_TRUE(call.Finish().ok());
}

TEST_F(DurableTest, OfASessionInMemoryNoAnswerWaits) {
  const v1::Session session = Create(InMemory(Spec(8, {4})));
  TrainCall call(stub(), session);
  v1::TrainRequest message = Messages(session, 1).front();
  message.set_when_durable(true);
  EXPECT_EQ(call.Exchange(message).step(), 10u);
  EXPECT_TRUE(call.Finish().ok());
}

TEST_F(DurableTest, AnswersThatWaitAreSentBeforeTheGoodbye) {
  const v1::Session session = Create(Spec(8, {4}));
  TrainCall call(stub(), session);
  v1::TrainRequest message = Messages(session, 1).front();
  message.set_when_durable(true);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(call.Write(message));
  std::thread drain([this] { server().Drain(); });
  uint64_t step = 0;
  bool bidden = false;
  while (const auto part = call.ReadPart()) {
    EXPECT_GE(part->durable_step(), part->step());
    step = part->step();
    bidden = part->goodbye();
  }
  EXPECT_TRUE(bidden);
  EXPECT_TRUE(call.Finish().ok());
  drain.join();
  Restart();
  EXPECT_EQ(Get(session).step(), step);
}

TEST_F(DurableTest, AStreamThatDoesNotAskIsNotToldOfWhatIsDurable) {
  const v1::Session session = Create(Spec(8, {4}));
  TrainCall call(stub(), session);
  const auto messages = Messages(session, 2);
  EXPECT_TRUE(call.Exchange(messages[0]).message_done());
  EXPECT_TRUE(BecomesDurable(session));
  EXPECT_EQ(call.Exchange(messages[1]).message_number(), 2u);
}

// Commits go on while streams end.
TEST_F(DurableTest, AStreamMayEndWhileItIsBeingTold) {
  const v1::Session session = Create(Spec(8, {4}));
  v1::TrainOptions options;
  options.set_tell_durable(true);
  const auto messages = Messages(session, 1);
  for (int i = 0; i < 100; ++i) {
    TrainCall call(stub(), session, options);
    ASSERT_TRUE(call.opening().has_value());
    call.Exchange(messages.front());
    if (i % 2 == 0) {
      EXPECT_TRUE(call.Finish().ok());
    } else {
      call.Cancel();
      EXPECT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
    }
  }
  EXPECT_TRUE(BecomesDurable(session));
}

TEST_F(DurableTest, ALongLagIsWaitedFor) {
  const v1::Session session =
      Create(With(Spec(8, {4}),
                  "durability {mode: DURABILITY_MODE_DURABLE "
                  "max_lag {seconds: 3600}}"));
  Train(session, Messages(session, 3));
  const v1::Session other = Create(Spec(8, {4}));
  Train(other, Messages(other, 3));
  EXPECT_TRUE(BecomesDurable(other));
  EXPECT_EQ(Get(session).step(), 30u);
  // Its creation, and what had been done by then.
  EXPECT_LT(Get(session).durable_step(), 30u);
  Restart();  // at its end the server commits all
  EXPECT_EQ(Get(session).step(), 30u);
}

TEST_F(DurableTest, ASecondServerOnTheDirectoryIsRefusedAndToldOfTheFirst) {
  ServerOptions options = SmallLimits();
  options.data_dir = directory();
  Metrics metrics;
  const auto second = Server::Start(options, &metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(std::to_string(getpid())));
}

TEST_F(DurableTest, AReplicaFromBeforeARestartGoesOnOnlyFromWhatIsStillThere) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, Messages(session, 3));
  Restart();
  const uint64_t first = Get(session).step();
  ASSERT_EQ(first, 30u);
  Train(session, Messages(session, 3));
  struct Case {
    uint64_t epoch;
    uint64_t step;
    bool resync;
  };
  for (const Case& each : std::vector<Case>{{1, 30, false},
                                            {1, 31, true},
                                            {0, 31, true},
                                            {2, 31, false},
                                            {3, 31, true},
                                            {1, 1000, true}}) {
    SCOPED_TRACE(absl::StrCat("epoch ", each.epoch, " step ", each.step));
    TrainCall call(stub());
    auto opening = For<v1::TrainRequest>(session);
    opening.mutable_replica()->set_epoch(each.epoch);
    opening.mutable_replica()->set_step(each.step);
    ASSERT_TRUE(call.Write(opening));
    const auto answer = call.ReadPart();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->resync(), each.resync);
    EXPECT_EQ(answer->epoch(), 2u);
    EXPECT_TRUE(call.Finish().ok());

    auto watch = For<v1::WatchDeltasRequest>(session);
    watch.set_epoch(each.epoch);
    watch.set_after_step(each.step);
    grpc::ClientContext context;
    const auto reader = stub().WatchDeltas(&context, watch);
    v1::WatchDeltasResponse ignored;
    EXPECT_FALSE(reader->Read(&ignored));  // nobody has watched: none is held
    EXPECT_THAT(reader->Finish(),
                Fails(grpc::StatusCode::OUT_OF_RANGE,
                      each.resync ? "EPOCH_OVER" : "STEP_NOT_HELD"));
  }
}

}  // namespace
}  // namespace backprop::testing
