// SPDX-License-Identifier: Apache-2.0
//
// A session's history as a client meets it.
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "tests/server/durable_service_fixture.h"
#include "tests/server/kept_session.h"
#include "tests/server/spec_text.h"
#include "tests/server/status_matchers.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class HistoryCallsTest : public DurableServiceTest {
 protected:
  v1::Session Make() {
    return Create(With(Spec(8, {10, 4}),
                       "optimiser {adam {}} history {max_steps: 1000}"));
  }

  // So many steps, ten a message.
  void Train(const v1::Session& session, int messages) {
    TrainCall call(stub(), session);
    for (int i = 0; i < messages; ++i) {
      const auto answer = call.Exchange(RandomSamples(session, 10, random_));
      EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
    }
    EXPECT_TRUE(call.Finish().ok());
  }

  static v1::RewindSessionRequest Return(const v1::Session& session,
                                         uint64_t step) {
    auto request = For<v1::RewindSessionRequest>(session);
    request.set_step(step);
    return request;
  }
  grpc::Status TryRewind(const v1::Session& session, uint64_t step) {
    return Try(&Stub::RewindSession, Return(session, step));
  }

  std::string Anchor(const v1::Session& session) {
    return KeptSession::Of(stub(), session.session_id()).anchor.DebugString();
  }

  std::mt19937 random_{17};
};

TEST_F(HistoryCallsTest, TakesASessionBackToAStepOfIt) {
  const v1::Session session = Make();
  EXPECT_EQ(Get(session).history_first_step(), 0u);
  Train(session, 2);
  const std::string anchor = Anchor(session);
  Train(session, 3);
  const v1::Session back =
      Ask(&Stub::RewindSession, Return(session, 20)).session();
  EXPECT_EQ(back.step(), 20u);
  EXPECT_EQ(back.next_offset(), 20u);
  EXPECT_EQ(back.epoch(), 2u);
  EXPECT_EQ(Anchor(session), anchor);
  Restart();
  EXPECT_EQ(Get(session).history_first_step(), 0u);
  Train(session, 1);
  EXPECT_EQ(Ask(&Stub::RewindSession, Return(session, 7)).session().step(), 7u);
  EXPECT_EQ(Get(session).step(), 7u);
}

// Whichever comes second finds the session gone from where it looked for it.
TEST_F(HistoryCallsTest, CallsThatRewindKeepOneAnotherOut) {
  const v1::Session session = Make();
  Train(session, 20);
  ASSERT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  std::mutex mutex;
  std::map<std::string, int> answers;
  const auto rewind = [&](uint64_t from) {
    for (uint64_t step = from; step > 20; step -= 2) {
      const grpc::Status status = TryRewind(session, step);
      const std::string reason = status.ok() ? "OK" : Reason(status);
      const std::lock_guard lock(mutex);
      ++answers[reason];
    }
  };
  {
    const std::jthread one(rewind, 199);
    const std::jthread other(rewind, 200);
  }
  EXPECT_GT(answers["OK"], 0);
  for (const auto& [reason, count] : answers) {
    EXPECT_THAT(reason, AnyOf("OK", "SESSION_BUSY", "SESSION_HAS_WRITER",
                              "STEP_NOT_REACHED"))
        << count;
  }
  EXPECT_EQ(Get(session).history_first_step(), 0u);
}

TEST_F(HistoryCallsTest, SaysWhichStepsItHas) {
  const v1::Session session = Make();
  Train(session, 2);
  grpc::Status status = TryRewind(session, 21);
  EXPECT_THAT(status,
              Fails(grpc::StatusCode::OUT_OF_RANGE, "STEP_NOT_REACHED"));
  EXPECT_THAT(status.error_message(), HasSubstr("has steps 0 to 20"));
  auto both = Return(session, 3);
  both.set_checkpoint("a");
  EXPECT_THAT(Try(&Stub::RewindSession, both), IsInvalid(ElementsAre("step")));
}

TEST_F(HistoryCallsTest, BeginsWhereItIsSetAndEndsWhereItIsNot) {
  const v1::Session session = Create(Spec(8, {4}));
  Train(session, 1);
  EXPECT_FALSE(Get(session).has_history_first_step());
  EXPECT_THAT(TryRewind(session, 5),
              Fails(grpc::StatusCode::OUT_OF_RANGE, "STEP_NOT_KEPT"));
  v1::SessionSpec kept;
  kept.mutable_history()->set_max_bytes(1'000'000);
  Ask(&Stub::UpdateSession, UpdateOf(session, {"history"}, kept));
  EXPECT_EQ(Get(session).history_first_step(), 10u);
  Train(session, 1);
  EXPECT_THAT(TryRewind(session, 9),
              Fails(grpc::StatusCode::OUT_OF_RANGE, "STEP_NOT_KEPT"));
  Ask(&Stub::RewindSession, Return(session, 15));
  Ask(&Stub::UpdateSession, UpdateOf(session, {"history"}, {}));
  EXPECT_FALSE(Get(session).has_history_first_step());
  EXPECT_THAT(TryRewind(session, 12),
              Fails(grpc::StatusCode::OUT_OF_RANGE, "STEP_NOT_KEPT"));
}

TEST_F(HistoryCallsTest, IsRefusedWhereItCantBe) {
  const auto refused = [&](const std::string& text) {
    v1::CreateSessionRequest request;
    *request.mutable_spec() = With(Spec(8, {10, 4}), text);
    return Try(&Stub::CreateSession, request);
  };
  EXPECT_THAT(refused("history {}"), IsInvalid(ElementsAre("spec.history")));
  EXPECT_THAT(refused("history {max_age {}}"),
              IsInvalid(ElementsAre("spec.history.max_age")));
  EXPECT_THAT(refused("history {max_steps: 1} "
                      "durability {mode: DURABILITY_MODE_MEMORY}"),
              IsInvalid(ElementsAre("spec.history")));
  EXPECT_THAT(refused("history {max_steps: 1} optimiser {adam {}} "
                      "layers {} layers {delta_form: DELTA_FORM_DENSE}"),
              IsInvalid(ElementsAre("spec.history")));
  StartServer(SmallLimits());  // without a store
  EXPECT_THAT(refused("history {max_steps: 1}"),
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "NO_STORE"));
}

}  // namespace
}  // namespace backprop::testing
