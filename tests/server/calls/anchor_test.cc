// SPDX-License-Identifier: Apache-2.0
//
// A session is put back from an anchor that a client kept: what it then says is
// compared with what the session that went on says.
#include <functional>

#include "tests/server/kept_session.h"
#include "tests/server/service_fixture.h"
#include "tests/server/session_kinds.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;

// What answers show of a session whose weights were given.
v1::SessionSpec WithoutInitialiser(v1::SessionSpec spec) {
  spec.clear_initialiser();
  return spec;
}

class AnchorTest : public ServiceTest {
 protected:
  // Messages of 10 steps each that the session takes next, with their offsets.
  std::vector<v1::TrainRequest> Messages(const v1::Session& session,
                                         uint64_t offset, size_t count) {
    const size_t samples = 10 * session.spec().batch_size();
    std::vector<v1::TrainRequest> messages;
    for (size_t i = 0; i < count; ++i) {
      messages.push_back(RandomSamples(session, samples, random_));
      messages.back().set_offset(offset + i * samples);
      messages.back().set_want_digest(true);
    }
    return messages;
  }

  // What the session answers, response by response.
  std::vector<std::string> Train(
      const v1::Session& session,
      const std::vector<v1::TrainRequest>& messages) {
    TrainCall call(stub(), session);
    std::vector<std::string> answers;
    for (const v1::TrainRequest& message : messages) {
      const v1::TrainResponse answer = call.Exchange(message);
      EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
      answers.push_back(answer.SerializeAsString());
    }
    EXPECT_TRUE(call.Finish().ok());
    return answers;
  }

  KeptSession Keep(const v1::Session& session) {
    return KeptSession::Of(stub(), session.session_id());
  }

  // A session of the kind after 20 steps.
  KeptSession Trained(const Kind& kind) {
    const v1::Session session = Create(SpecOf(kind));
    Train(session, Messages(session, 0, 2));
    return Keep(session);
  }

  const Kind& Named(const std::string& name) {
    for (const Kind& kind : kKinds) {
      if (kind.name == name) return kind;
    }
    ADD_FAILURE() << "no kind " << name;
    return kKinds[0];
  }

  std::mt19937 random_{31};
};

TEST_F(AnchorTest, GoesOnOnANewServerAsTheSessionThatWentOn) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const v1::Session session = Create(SpecOf(kind));
    Train(session, Messages(session, 0, 100));
    const v1::Session then = Get(session);
    const KeptSession kept = Keep(session);
    const auto next = Messages(session, kept.anchor.next_offset(), 10);
    const auto expected = Train(session, next);
    const KeptSession end = Keep(session);
    EXPECT_GE(end.anchor.step(), 1088u);
    EXPECT_NE(end.anchor.digest(), kept.anchor.digest());

    StartServer(SmallLimits());
    const v1::Session back = Create(kept.Request());
    EXPECT_EQ(back.step(), then.step());
    EXPECT_EQ(back.next_offset(), then.next_offset());
    EXPECT_EQ(back.learning_rate(), then.learning_rate());
    EXPECT_EQ(back.layout().DebugString(), then.layout().DebugString());
    EXPECT_EQ(Keep(back).spec.DebugString(),
              WithoutInitialiser(kept.spec).DebugString());
    EXPECT_EQ(Keep(back).anchor.DebugString(), kept.anchor.DebugString());
    EXPECT_EQ(Train(back, next), expected);
    EXPECT_EQ(Keep(back).anchor.DebugString(), end.anchor.DebugString());
  }
}

TEST_F(AnchorTest, AHalfLearntStandardisationGoesOnBeingLearnt) {
  const v1::Session session = Create(SpecOf(Named("learnt standardisation")));
  Train(session, Messages(session, 0, 1));
  const KeptSession kept = Keep(session);
  EXPECT_EQ(kept.anchor.step(), 0u);
  EXPECT_EQ(kept.anchor.next_offset(), 10u);
  EXPECT_EQ(kept.anchor.continuation().learning().samples(), 10u);
  const auto next = Messages(session, 10, 3);
  const auto expected = Train(session, next);
  EXPECT_EQ(Train(Create(kept.Request()), next), expected);
}

// The spec that the session was made with, not the one that answers show.
TEST_F(AnchorTest, WhatWasLearntComesWithTheAnchorToo) {
  const Kind& kind = Named("learnt standardisation");
  KeptSession kept = Trained(kind);
  ASSERT_EQ(kept.anchor.standardisation().mean_size(), 8);
  const v1::SessionSpec effective = WithoutInitialiser(kept.spec);
  kept.spec = SpecOf(kind);
  const v1::Session back = Create(kept.Request());
  EXPECT_EQ(back.spec().DebugString(), effective.DebugString());
}

TEST_F(AnchorTest, FactorsStayGradientsThoughTheirReasonWasTakenAway) {
  const v1::Session session =
      Create(With(SpecOf(Named("plain descent")), "optimiser {l2: 0.01}"));
  Train(session, Messages(session, 0, 2));
  Ask(&Stub::UpdateSession,
      UpdateOf(session, {"optimiser.l2", "optimiser.learning_rate"},
               With({}, "optimiser {learning_rate: 0.03}")));
  Train(session, Messages(session, 20, 1));
  const KeptSession kept = Keep(session);
  EXPECT_EQ(kept.spec.optimiser().l2(), 0);
  EXPECT_EQ(kept.anchor.continuation().schedule_age(), 10u);
  const v1::Session back = Create(kept.Request());
  EXPECT_EQ(back.layout().rule(), v1::RULE_SGD);
  EXPECT_EQ(back.layout().factor_kind(), v1::FACTOR_KIND_GRADIENT);
  const auto next = Messages(session, 30, 2);
  EXPECT_EQ(Train(back, next), Train(session, next));
}

TEST_F(AnchorTest, WeightsAloneBeginAtZero) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    const KeptSession kept = Trained(kind);
    v1::CreateSessionRequest request = kept.Request();
    v1::Anchor alone;
    alone.set_weights(kept.anchor.weights());
    *request.mutable_initial() = alone;
    const v1::Session session = Create(request);
    const KeptSession begun = Keep(session);
    EXPECT_EQ(begun.anchor.weights(), kept.anchor.weights());
    EXPECT_EQ(begun.anchor.state(),
              std::string(kept.anchor.state().size(), '\0'));
    EXPECT_EQ(begun.anchor.step(), 0u);
    EXPECT_EQ(begun.anchor.next_offset(), 0u);
    EXPECT_EQ(begun.anchor.continuation().state_age(), 0u);
    EXPECT_EQ(begun.anchor.continuation().schedule_age(), 0u);
    EXPECT_FALSE(session.spec().has_initialiser());
  }
}

TEST_F(AnchorTest, CountsFromWhereItIsToldTo) {
  const KeptSession kept = Trained(Named("adam"));
  v1::CreateSessionRequest request = kept.Request();
  request.mutable_initial()->clear_step();
  request.mutable_initial()->clear_next_offset();
  v1::Session session = Create(request);
  EXPECT_EQ(session.step(), 0u);
  EXPECT_EQ(session.next_offset(), 0u);
  const uint64_t most = uint64_t{1} << 53;
  request.mutable_initial()->set_step(most);
  request.mutable_initial()->set_next_offset(most);
  request.mutable_initial()->mutable_continuation()->set_state_age(most);
  request.mutable_initial()->mutable_continuation()->set_schedule_age(most);
  session = Create(request);
  EXPECT_EQ(Train(session, Messages(session, most, 1)).size(), 1u);
  EXPECT_EQ(Get(session).step(), most + 10);
}

TEST_F(AnchorTest, IsWatchedAndForkedFromWhereItGoesOn) {
  const KeptSession kept = Trained(Named("adam"));
  const v1::Session back = Create(kept.Request());
  grpc::ClientContext context;
  const auto request = For<v1::WatchDeltasRequest>(back, "after_step: 20");
  const auto reader = stub().WatchDeltas(&context, request);
  v1::WatchDeltasResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.step(), 20u);
  EXPECT_EQ(seen.next_offset(), 20u);
  Train(back, Messages(back, 20, 1));
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.base_step(), 20u);
  context.TryCancel();

  const v1::Session fork = Create(ForkOf(back, true));
  EXPECT_EQ(fork.step(), 0u);
  EXPECT_EQ(Keep(fork).anchor.continuation().DebugString(),
            Keep(back).anchor.continuation().DebugString());
}

TEST_F(AnchorTest, TheSameRequestIdMeansTheSameAnchor) {
  const KeptSession kept = Trained(Named("plateau"));
  v1::CreateSessionRequest request = kept.Request();
  request.set_request_id("again");
  EXPECT_EQ(Create(request).session_id(), Create(request).session_id());

  const KeptSession adam = Trained(Named("adam"));
  request = adam.Request();
  request.set_request_id("adam");
  Create(request);
  const std::vector<std::function<void(v1::Anchor&)>> others = {
      [](auto& a) { a.set_step(19); },
      [](auto& a) { a.set_next_offset(19); },
      [](auto& a) { a.clear_digest(); },
      [](auto& a) { (*a.mutable_weights())[0] ^= 1, a.clear_digest(); },
      [](auto& a) { (*a.mutable_state())[0] ^= 1; },
      [](auto& a) { a.mutable_continuation()->set_state_age(19); },
      [](auto& a) { a.mutable_continuation()->set_schedule_age(19); },
  };
  for (size_t i = 0; i < others.size(); ++i) {
    v1::CreateSessionRequest other = request;
    others[i](*other.mutable_initial());
    EXPECT_EQ(Reason(TryCreate(other)), "REQUEST_ID_REUSED") << i;
  }
  request.clear_initial();
  EXPECT_EQ(Reason(TryCreate(request)), "REQUEST_ID_REUSED");
}

}  // namespace
}  // namespace backprop::testing
