// SPDX-License-Identifier: Apache-2.0
//
// What was applied though its answers were lost is answered once more, to who
// asks for it, as it was the first time. A twin of the session that was never
// cut says what that is.
#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/store/temporary_folder.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr const char* kHold = "hold_answers: true";

class HeldAnswersCallsTest : public ServiceTest {
 protected:
  using Messages = std::vector<v1::TrainRequest>;
  using Answers = std::vector<v1::TrainResponse>;

  // With digests, scalars of each step, norms and state.
  static v1::SessionSpec RichSpec() {
    return With(Spec(8, {10, 4}),
                "digest_every: 3 optimiser {sgd {momentum: 0.9} learning_rate: "
                "1e-2 clipping {max_norm: 0.5} schedule {exponential {factor: "
                "0.99}}}");
  }

  // So many samples each, from that offset on.
  Messages Random(const v1::Session& session, size_t messages,
                  size_t samples = 5, uint64_t offset = 0) {
    Messages made;
    for (size_t i = 0; i < messages; ++i) {
      made.push_back(RandomSamples(session, samples, random_));
      made.back().set_offset(offset + i * samples);
      made.back().set_want_digest(i % 4 == 1);
    }
    return made;
  }

  // A stream that takes the session over.
  std::unique_ptr<TrainCall> Open(const v1::Session& session,
                                  const std::string& options) {
    auto call = std::make_unique<TrainCall>(stub());
    auto opening = For<v1::TrainRequest>(session, "takeover: true");
    *opening.mutable_options() = Parsed<v1::TrainOptions>(options);
    EXPECT_TRUE(call->Write(opening));
    const auto answer = call->ReadPart();
    EXPECT_TRUE(answer.has_value());
    return call;
  }

  // All are applied, and the stream breaks before anything is read of that.
  void Lose(const v1::Session& session, const std::string& options,
            const Messages& messages) {
    const auto call = Open(session, options);
    for (const auto& message : messages) ASSERT_TRUE(call->Write(message));
    const auto& last = messages.back();
    const uint64_t end = last.offset() + last.inputs().size() / 32;
    ASSERT_TRUE(Eventually([&] { return Get(session).next_offset() == end; }));
  }

  static Answers Exchange(TrainCall& call, const Messages& messages) {
    Answers answers;
    for (const auto& message : messages) {
      answers.push_back(call.Exchange(message));
    }
    return answers;
  }
  Answers AskAgain(const v1::Session& session, const std::string& options,
                   const Messages& messages) {
    return Exchange(*Open(session, options), messages);
  }

  // What of them a stream never cut would say too.
  static std::vector<std::string> Same(const Answers& answers) {
    std::vector<std::string> same;
    for (v1::TrainResponse answer : answers) {
      answer.clear_held();
      same.push_back(answer.SerializeAsString());
    }
    return same;
  }

  // How many samples of each were skipped, -1 where it is a held answer.
  static std::vector<int> Skipped(const Answers& answers) {
    std::vector<int> skipped;
    for (const auto& answer : answers) {
      EXPECT_FALSE(answer.has_rejection()) << answer.rejection().message();
      const int count = static_cast<int>(answer.skipped_samples());
      EXPECT_FALSE(answer.held() && count != 0);
      skipped.push_back(answer.held() ? -1 : count);
    }
    return skipped;
  }

  // Bytes of answers that the session holds.
  uint64_t HeldBytes(const v1::Session& session) {
    return Get(session).resident_bytes() - session.resident_bytes();
  }

  std::mt19937 random_{47};
};

TEST_F(HeldAnswersCallsTest, AreWhatAStreamThatIsNotCutGets) {
  const v1::Session session = Create(RichSpec());
  const v1::Session twin = Create(ForkOf(session, /*with_state=*/true));
  const std::string options = "hold_answers: true want_outputs: true";
  const Messages messages = Random(session, 10);
  ReferenceReplica replica(session, Weights(session));
  Lose(session, options, messages);
  const double samples = Metric("backprop_samples_total");

  const auto call = Open(session, options);
  const Answers answers = Exchange(*call, messages);
  EXPECT_THAT(Skipped(answers), Each(-1));
  EXPECT_EQ(Metric("backprop_samples_total"), samples) << "trained again";
  const auto twins = Open(twin, "want_outputs: true");
  EXPECT_EQ(Same(answers), Same(Exchange(*twins, messages)));
  const Messages more = Random(session, 2, 5, /*offset=*/50);
  const Answers new_answers = Exchange(*call, more);
  EXPECT_THAT(Skipped(new_answers), Each(0));
  EXPECT_EQ(Same(new_answers), Same(Exchange(*twins, more)));

  for (size_t i = 0; i < messages.size(); ++i) {
    replica.Apply(messages[i], answers[i]);
  }
  for (size_t i = 0; i < more.size(); ++i) {
    replica.Apply(more[i], new_answers[i]);
  }
  EXPECT_EQ(replica.weights(), Weights(session));
}

TEST_F(HeldAnswersCallsTest, AreThereForAsLongAsNobodySaysThatTheyCame) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 6);
  Lose(session, kHold, messages);
  const Answers first = AskAgain(session, kHold, messages);
  EXPECT_THAT(Skipped(first), Each(-1));
  EXPECT_EQ(Same(AskAgain(session, kHold, messages)), Same(first));
}

TEST_F(HeldAnswersCallsTest, WhatWasNotAppliedYetFollowsOnThem) {
  const v1::Session session = Create(RichSpec());
  Messages messages = Random(session, 6);
  Lose(session, kHold, {messages.begin(), messages.begin() + 4});
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)),
              ElementsAre(-1, -1, -1, -1, 0, 0));
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(-1));
}

TEST_F(HeldAnswersCallsTest, AreOfTheContentThatTheStreamWants) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 3);
  for (const char* other : {"hold_answers: true deltas: DELTA_DETAIL_NONE",
                            "hold_answers: true deltas: DELTA_DETAIL_DENSE",
                            "hold_answers: true want_outputs: true"}) {
    const v1::Session fork = Create(ForkOf(session, /*with_state=*/true));
    Lose(fork, kHold, messages);
    EXPECT_THAT(Skipped(AskAgain(fork, other, messages)), Each(5)) << other;
  }
  Lose(session, kHold, messages);
  EXPECT_THAT(
      Skipped(AskAgain(session,
                       "hold_answers: true deltas: DELTA_DETAIL_FACTORS "
                       "coalesce: true tell_durable: true",
                       messages)),
      Each(-1));
}

TEST_F(HeldAnswersCallsTest, WhatIsBeyondTheLimitIsSkipped) {
  constexpr size_t kMost = 5000;
  StartWith([](auto& options) { options.max_held_bytes = kMost; });
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 8);
  Lose(session, kHold, messages);
  const std::vector<int> skipped = Skipped(AskAgain(session, kHold, messages));
  EXPECT_EQ(skipped.front(), 5);
  EXPECT_EQ(skipped.back(), -1);
  EXPECT_TRUE(std::ranges::is_sorted(skipped, std::greater<>()));
  EXPECT_LE(HeldBytes(session), kMost);
  EXPECT_GT(HeldBytes(session), 0u);
}

TEST_F(HeldAnswersCallsTest, ALimitOfZeroHoldsNone) {
  StartWith([](auto& options) { options.max_held_bytes = 0; });
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 3);
  Lose(session, kHold, messages);
  EXPECT_EQ(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(5));
}

TEST_F(HeldAnswersCallsTest, WhoDoesNotAskForThemGetsNoneAndLeavesNone) {
  const v1::Session session = Create(RichSpec());
  Messages messages = Random(session, 4);
  Lose(session, "", messages);
  EXPECT_EQ(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(5));

  messages = Random(session, 4, 5, /*offset=*/20);
  Lose(session, kHold, messages);
  EXPECT_GT(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, "", {messages[3]})), Each(5));
  EXPECT_EQ(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(5));
}

TEST_F(HeldAnswersCallsTest, WhatTheClientHasIsHeldNoLonger) {
  const v1::Session session = Create(RichSpec());
  Messages messages = Random(session, 4);
  Lose(session, kHold, messages);
  const uint64_t bytes = HeldBytes(session);
  messages[3].set_received_offset(10);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, {messages[3]})), Each(-1));
  EXPECT_LT(HeldBytes(session), bytes);
  EXPECT_GT(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)),
              ElementsAre(5, 5, -1, -1));
  messages[3].set_received_offset(20);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, {messages[3]})), Each(5));
  EXPECT_EQ(HeldBytes(session), 0u);
}

TEST_F(HeldAnswersCallsTest, WhatSessionsHoldIsCountedTogether) {
  const v1::Session session = Create(RichSpec());
  const v1::Session other = Create(RichSpec());
  Lose(session, kHold, Random(session, 3));
  Lose(other, kHold, Random(other, 2));
  const auto held = [&](const v1::Session& of) {
    return static_cast<double>(HeldBytes(of));
  };
  EXPECT_GT(HeldBytes(other), 0u);
  EXPECT_TRUE(Eventually([&] {
    return Metric("backprop_held_answer_bytes ") == held(session) + held(other);
  }));
  EXPECT_TRUE(Eventually([&] { return Delete(session).ok(); }));
  EXPECT_TRUE(Eventually(
      [&] { return Metric("backprop_held_answer_bytes ") == held(other); }));
}

TEST_F(HeldAnswersCallsTest, OtherSamplesAreRefusedAndChangeNothing) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 3);
  Lose(session, kHold, messages);
  const Messages others = Random(session, 3);
  for (const auto& answer : AskAgain(session, kHold, others)) {
    EXPECT_EQ(Reason(answer.rejection()), "SAMPLES_DIFFER");
    EXPECT_FALSE(answer.held());
  }
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(-1));
}

TEST_F(HeldAnswersCallsTest, AMessageThatAsksForADigestNowIsAnother) {
  const v1::Session session = Create(Spec(8, {4}));
  Messages messages = Random(session, 2);
  messages[0].set_want_digest(false);
  messages[1].set_want_digest(true);
  Lose(session, kHold, messages);
  Messages others = messages;
  others[0].set_want_digest(true);
  others[1].set_want_digest(false);
  const Answers answers = AskAgain(session, kHold, others);
  EXPECT_THAT(Skipped(answers), Each(5));
  ASSERT_EQ(answers[0].digests_size(), 1);
  EXPECT_EQ(answers[0].digests(0).step(), 10u);
  EXPECT_EQ(answers[1].digests_size(), 0);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(-1));
}

TEST_F(HeldAnswersCallsTest, MessagesOfOtherLengthsAreSkipped) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 2);
  Lose(session, kHold, messages);
  v1::TrainRequest both = messages[0];
  both.mutable_inputs()->append(messages[1].inputs());
  both.mutable_targets()->append(messages[1].targets());
  EXPECT_THAT(Skipped(AskAgain(session, kHold, {both})), Each(10));
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(-1));
}

// 64 is what a session remembers of messages that nobody holds answers to.
TEST_F(HeldAnswersCallsTest, MayBeMoreThanTheMessagesThatItRemembers) {
  const v1::Session session = Create(Spec(8, {4}));
  const Messages messages = Random(session, 100, 1);
  Lose(session, kHold, messages);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)), Each(-1));
}

TEST_F(HeldAnswersCallsTest, ARefusalIsMadeAnewBehindWhatWasAppliedBefore) {
  const v1::Session session = Create(Spec(8, {4}));
  Messages messages = Random(session, 1);
  std::vector<float> targets = Floats(messages[0].targets());
  targets[8] = 1e38F;  // the third sample's
  messages[0].set_targets(Bytes(targets));
  {
    const auto call = Open(session, kHold);
    ASSERT_TRUE(call->Write(messages[0]));
    ASSERT_TRUE(Eventually([&] { return Get(session).step() == 2; }));
  }
  const auto call = Open(session, kHold);
  ASSERT_TRUE(call->Write(messages[0]));
  const auto again = call->ReadPart();
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(again->held());
  EXPECT_EQ(again->errors_size(), 2);
  EXPECT_FALSE(again->has_rejection());
  EXPECT_FALSE(again->message_done());
  const auto refused = call->ReadPart();
  ASSERT_TRUE(refused.has_value());
  EXPECT_FALSE(refused->held());
  EXPECT_EQ(Reason(refused->rejection()), "NON_FINITE_STEP");
  EXPECT_TRUE(refused->message_done());
  EXPECT_EQ(refused->skipped_samples(), 0u);
  EXPECT_EQ(refused->step(), 2u);
}

TEST_F(HeldAnswersCallsTest, WhatIsLearntOfTheInputsIsToldAgain) {
  const v1::Session session =
      Create(With(Spec(8, {4}), "input {standardisation {learn_samples: 8}}"));
  const Messages messages = Random(session, 3);
  ReferenceReplica replica(session, Weights(session));
  Lose(session, kHold, messages);
  const Answers answers = AskAgain(session, kHold, messages);
  EXPECT_THAT(Skipped(answers), Each(-1));
  EXPECT_EQ(answers[0].step(), 0u);
  EXPECT_EQ(answers[1].step(), 2u);
  ASSERT_TRUE(answers[1].has_standardisation());
  EXPECT_EQ(answers[1].standardisation().SerializeAsString(),
            Get(session).spec().input().standardisation().SerializeAsString());
  EXPECT_EQ(answers[2].step(), Get(session).step());
}

TEST_F(HeldAnswersCallsTest, AreNotMergedWithWhatIsTrainedNow) {
  const std::string options = "hold_answers: true coalesce: true";
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 300, 2);
  ReferenceReplica replica(session, Weights(session));
  Lose(session, options, {messages.begin(), messages.begin() + 150});
  const auto call = Open(session, options);
  for (const auto& message : messages) ASSERT_TRUE(call->Write(message));
  size_t answered = 0, responses = 0;
  while (answered < messages.size()) {
    const auto response = call->ReadPart();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->held(), response->base_step() < 300);
    EXPECT_TRUE(!response->held() || response->step() <= 300);
    EXPECT_EQ(response->skipped_samples(), 0u);
    ++responses;
    v1::TrainRequest together;
    for (; answered < response->message_number(); ++answered) {
      together.mutable_inputs()->append(messages[answered].inputs());
    }
    replica.Apply(together, *response);
  }
  EXPECT_LT(responses, messages.size()) << "nothing was merged";
  EXPECT_EQ(replica.digest(), Digest(session));
}

TEST_F(HeldAnswersCallsTest, TheOpeningHasReceivedNothing) {
  const v1::Session session = Create(Spec(8, {4}));
  TrainCall call(stub());
  call.Write(For<v1::TrainRequest>(
      session, "options {hold_answers: true} received_offset: 1"));
  EXPECT_THAT(call.Finish(),
              Fails(grpc::StatusCode::INVALID_ARGUMENT, "INVALID_REQUEST"));
}

class DurableHeldAnswersTest : public HeldAnswersCallsTest {
 protected:
  void SetUp() override {
    StartWith([this](ServerOptions& options) {
      options.data_dir = folder_.path();
      options.commit_interval_ms = 1;
    });
  }
  void TearDown() override {
    StartServer(SmallLimits());  // lets go of the directory
  }

  const TemporaryFolder folder_;
};

TEST_F(DurableHeldAnswersTest, AreNotBroughtFromOneEpochIntoTheNext) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 6);
  Lose(session, kHold, {messages.begin(), messages.begin() + 3});
  Ask(&Stub::CreateCheckpoint,
      For<v1::CreateCheckpointRequest>(session, "name: \"here\""));
  Lose(session, kHold, messages);
  ASSERT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  EXPECT_GT(HeldBytes(session), 0u);
  Ask(&Stub::RewindSession,
      For<v1::RewindSessionRequest>(session, "checkpoint: \"here\""));
  EXPECT_EQ(HeldBytes(session), 0u);
  EXPECT_THAT(Skipped(AskAgain(session, kHold, messages)),
              ElementsAre(5, 5, 5, 0, 0, 0));
}

TEST_F(DurableHeldAnswersTest, SayHowMuchIsDurableNow) {
  const v1::Session session = Create(RichSpec());
  const Messages messages = Random(session, 3);
  Lose(session, kHold, messages);
  ASSERT_TRUE(Eventually([&] { return Get(session).durable_step() == 15; }));
  const Answers answers = AskAgain(session, kHold, {messages[1], messages[2]});
  EXPECT_THAT(Skipped(answers), Each(-1));
  for (const auto& answer : answers) {
    EXPECT_EQ(answer.durable_step(), 15u);
    EXPECT_EQ(answer.durable_offset(), 15u);
    EXPECT_EQ(answer.epoch(), 1u);
  }
  EXPECT_EQ(answers[0].message_number(), 1u);
  EXPECT_EQ(answers[1].message_number(), 2u);
}

TEST_F(DurableHeldAnswersTest, MayBeAskedForWhenTheyAreDurable) {
  const v1::Session session = Create(RichSpec());
  Messages messages = Random(session, 3);
  Lose(session, kHold, messages);
  for (v1::TrainRequest& each : messages) each.set_when_durable(true);
  const Answers answers = AskAgain(session, kHold, messages);
  EXPECT_THAT(Skipped(answers), Each(-1));
  for (const auto& answer : answers) EXPECT_EQ(answer.durable_step(), 15u);
}

}  // namespace
}  // namespace backprop::testing
