// SPDX-License-Identifier: Apache-2.0
#include "server/calls/train_flow.h"

#include <gtest/gtest.h>

#include "server/sessions/rejection.h"
#include "tests/server/calls/train_flow_model.h"

namespace backprop {
namespace {

using Arrival = TrainFlow::Arrival;
using Part = TrainFlow::Part;
using testing::FlowWorld;

// Whether the walk broke nothing and was one; says what broke and on which way.
void ExpectKept(const FlowWorld& world) {
  const testing::FlowWalk walk = testing::WalkThrough(world);
  std::string path;
  for (const std::string& event : walk.path) path += "\n  " + event;
  EXPECT_EQ(walk.broken, "") << path;
  EXPECT_GT(walk.ends, 0u);
  ::testing::Test::RecordProperty("states", std::to_string(walk.states));
}

TEST(TrainFlowTest, KeepsItsPromisesInEveryOrderOfEvents) {
  for (const size_t most_queued : {300u, 1u, 100'000u}) {
    ExpectKept({.most_queued = most_queued});
  }
}

TEST(TrainFlowTest, KeepsThemWhereAnswersAreMerged) {
  ExpectKept({.coalesce = true});
  ExpectKept({.messages = 1, .most_queued = 100'000, .coalesce = true});
}

TEST(TrainFlowTest, KeepsThemWhereMemoryIsShort) {
  ExpectKept({.failures = true});
  ExpectKept({.messages = 1, .coalesce = true, .failures = true});
}

TEST(TrainFlowTest, KeepsThemWhereTheStreamIsNotOpened) {
  ExpectKept({.refused = true});
  ExpectKept({.bad_opening = true});
}

TEST(TrainFlowTest, KeepsThemWhereTheClientIsFarAhead) {
  const FlowWorld world{.parts = 1, .most_queued = 100'000, .far_ahead = 1};
  FlowWorld coalesces = world;
  coalesces.coalesce = true;
  FlowWorld fails = world;
  fails.failures = true;
  for (const FlowWorld& each : {world, coalesces, fails}) ExpectKept(each);
}

TEST(TrainFlowTest, KeepsThemWhereAnotherStreamTakesItsPlace) {
  ExpectKept({.messages = 1, .may_be_replaced = true});
  const FlowWorld world{
      .messages = 1, .parts = 1, .may_drain = false, .may_be_replaced = true};
  FlowWorld coalesces = world;
  coalesces.coalesce = true;
  FlowWorld fails = world;
  fails.failures = true;
  FlowWorld far_ahead{.parts = 1,
                      .most_queued = 100'000,
                      .far_ahead = 1,
                      .may_drain = false,
                      .may_be_replaced = true};
  for (const FlowWorld& each : {coalesces, fails, far_ahead}) ExpectKept(each);
}

TEST(TrainFlowTest, KeepsThemWhereItTellsWhatIsDurable) {
  const FlowWorld world{.messages = 1, .parts = 1, .commits = 2};
  FlowWorld coalesces = world;
  coalesces.coalesce = true;
  coalesces.may_drain = false;
  FlowWorld fails = world;
  fails.failures = true;
  fails.commits = 1;
  for (const FlowWorld& each : {world, coalesces, fails}) ExpectKept(each);
}

TEST(TrainFlowTest, KeepsThemWhereAnswersWaitForACommit) {
  const FlowWorld world{
      .messages = 2, .parts = 1, .may_drain = false, .when_durable = true};
  FlowWorld coalesces = world;
  coalesces.coalesce = true;
  FlowWorld full = world;
  full.most_queued = 1;
  FlowWorld drains = world;
  drains.messages = 1;
  drains.may_drain = true;
  drains.commits = 1;
  FlowWorld replaced = drains;
  replaced.may_drain = false;
  replaced.may_be_replaced = true;
  FlowWorld far_ahead = world;
  far_ahead.far_ahead = 1;
  far_ahead.most_queued = 100'000;
  for (const FlowWorld& each :
       {world, coalesces, full, drains, replaced, far_ahead}) {
    ExpectKept(each);
  }
}

TEST(TrainFlowTest, KeepsThemWhereTheStoreFallsBehind) {
  const FlowWorld world{.messages = 1, .may_stall = true};
  FlowWorld coalesces = world;
  coalesces.parts = 1;
  coalesces.coalesce = true;
  FlowWorld queues{
      .messages = 2, .parts = 1, .may_drain = false, .may_stall = true};
  FlowWorld far_ahead = queues;
  far_ahead.most_queued = 100'000;
  far_ahead.far_ahead = 1;
  FlowWorld replaced = coalesces;
  replaced.may_drain = false;
  replaced.may_be_replaced = true;
  FlowWorld durable = coalesces;
  durable.coalesce = false;
  durable.commits = 1;
  durable.when_durable = true;
  for (const FlowWorld& each :
       {world, coalesces, queues, far_ahead, replaced, durable}) {
    ExpectKept(each);
  }
}

TEST(TrainFlowTest, OnlyWhatTrainsWaitsForTheStore) {
  TrainFlow flow(1000);
  EXPECT_EQ(flow.MessageRead(10), Arrival::kOpening);
  flow.Opened();
  EXPECT_FALSE(flow.MayStall());
  EXPECT_EQ(flow.BeginPart(0), Part::kOpening);
  flow.EndPart(true, false);
  EXPECT_TRUE(flow.MayStall());
  TrainFlow cancelled = flow;
  cancelled.Cancel();
  EXPECT_FALSE(cancelled.MayStall());
  TrainFlow left = flow;
  left.Leave(absl::OkStatus());
  EXPECT_FALSE(left.MayStall());
  TrainFlow ended = flow;
  ended.Replace();
  EXPECT_FALSE(ended.MayStall());
  // Who waits looks for room until the end, and then no more.
  EXPECT_FALSE(flow.IsStalled());
  flow.Stall();
  EXPECT_TRUE(flow.IsStalled());
  flow.Cancel();
  EXPECT_TRUE(flow.Next(true).end.has_value());
  EXPECT_FALSE(flow.IsStalled());
}

// Nobody goes and nothing fails: more messages are few states.
TEST(TrainFlowTest, KeepsThemOverManyMessages) {
  ExpectKept({.messages = 3,
              .most_queued = 800,
              .client_may_go = false,
              .may_drain = false});
  ExpectKept({.messages = 3,
              .most_queued = 100'000,
              .far_ahead = 2,
              .client_may_go = false,
              .may_drain = false});
}

// A stream whose opening has been answered.
class OpenTrainFlowTest : public ::testing::Test {
 protected:
  OpenTrainFlowTest() {
    EXPECT_TRUE(flow_.Next(true).read);
    EXPECT_EQ(flow_.MessageRead(10), Arrival::kOpening);
    flow_.Opened();
    EXPECT_TRUE(flow_.Next(true).turn);
    EXPECT_EQ(flow_.BeginPart(0), Part::kOpening);
    flow_.AnswerQueued(5);
    EXPECT_FALSE(flow_.EndPart(true, false));
    EXPECT_TRUE(flow_.Next(true).write);
    flow_.WriteDone(true, 5);
  }

  // Ends the part under way, which ends its message, with an answer.
  bool Answer(bool late = false) {
    flow_.AnswerQueued(5);
    return flow_.EndPart(/*message_done=*/true, late);
  }

  TrainFlow flow_{1000, /*far_ahead=*/2};
};

TEST_F(OpenTrainFlowTest, AWaitingMessageIsTrained) {
  EXPECT_EQ(flow_.MessageRead(10), Arrival::kSamples);
  const TrainFlow::Start start = flow_.Next(true);
  EXPECT_TRUE(start.turn);
  EXPECT_TRUE(start.read);
  EXPECT_FALSE(start.write);
  EXPECT_FALSE(start.end.has_value());
  EXPECT_EQ(flow_.BeginPart(10), Part::kNextMessage);
}

TEST_F(OpenTrainFlowTest, IsNotReadWhileItsInboxIsFull) {
  flow_.MessageRead(1000);
  EXPECT_FALSE(flow_.Next(true).read);
  EXPECT_EQ(flow_.inbox_bytes(), 1256u);
  flow_.BeginPart(1000);
  flow_.AnswerQueued(5);
  flow_.EndPart(/*message_done=*/true, false);
  EXPECT_EQ(flow_.inbox_bytes(), 0u);
  EXPECT_TRUE(flow_.Next(true).read);
}

TEST_F(OpenTrainFlowTest, IsNotTrainedWhileItsOutboxIsFull) {
  flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  flow_.AnswerQueued(1000);
  EXPECT_FALSE(flow_.EndPart(/*message_done=*/false, false)) << "has to wait";
  const TrainFlow::Start start = flow_.Next(true);
  EXPECT_TRUE(start.write);
  EXPECT_FALSE(start.turn);
  flow_.WriteDone(true, 1000);
  EXPECT_TRUE(flow_.Next(true).turn);
  EXPECT_EQ(flow_.BeginPart(0), Part::kSameMessage);
}

TEST_F(OpenTrainFlowTest, ItsEndWaitsForThoseWhoStartSomething) {
  flow_.Next(true);
  flow_.ReadsEnded();
  EXPECT_FALSE(flow_.Next(/*may_end=*/false).end.has_value());
  EXPECT_EQ(flow_.Next(/*may_end=*/true).end, absl::OkStatus());
  EXPECT_TRUE(flow_.LetGo());
  EXPECT_FALSE(flow_.LetGo());
  EXPECT_FALSE(flow_.Next(true).end.has_value()) << "once";
}

TEST_F(OpenTrainFlowTest, ACancelledStreamLetsGoAtOnceWhateverIsUnderWay) {
  flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  flow_.Cancel();
  EXPECT_FALSE(flow_.Next(true).end.has_value()) << "a turn is in the queue";
  EXPECT_TRUE(flow_.LetGo());
  EXPECT_EQ(flow_.BeginPart(10), Part::kNone);
  EXPECT_EQ(flow_.Next(true).end, absl::CancelledError("cancelled"));
}

TEST_F(OpenTrainFlowTest, ACancelledStreamLetsGoAfterThePartThatItTrains) {
  flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  flow_.Cancel();
  flow_.Next(true);
  EXPECT_FALSE(flow_.LetGo());
  flow_.AnswerQueued(5);
  EXPECT_FALSE(flow_.EndPart(false, false));
  EXPECT_EQ(flow_.Next(true).end, absl::CancelledError("cancelled"));
  EXPECT_TRUE(flow_.LetGo());
}

TEST_F(OpenTrainFlowTest, AReplacedStreamEndsAfterThePartThatItTrains) {
  flow_.MessageRead(10);
  flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  flow_.Replace();
  EXPECT_FALSE(flow_.Next(true).end.has_value()) << "a part is being trained";
  flow_.AnswerQueued(5);
  EXPECT_FALSE(flow_.EndPart(/*message_done=*/false, false));
  EXPECT_TRUE(flow_.Next(true).write) << "what was applied is answered";
  flow_.WriteDone(true, 5);
  const auto end = flow_.Next(true).end;
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(ReasonOf(*end), kWriterReplaced.name);
}

TEST_F(OpenTrainFlowTest, AReplacedStreamTouchesNothingInATurnThatWaited) {
  flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  flow_.Replace();
  EXPECT_EQ(flow_.BeginPart(10), Part::kNone);
  EXPECT_EQ(flow_.Next(true).end->code(), absl::StatusCode::kAborted);
}

TEST_F(OpenTrainFlowTest, AReplacedStreamWaitsForItsReaderUntilItIsCutOff) {
  flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  Answer();
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.Replace();
  EXPECT_FALSE(flow_.Next(true).cancel);
  flow_.CutOff();
  EXPECT_TRUE(flow_.Next(true).cancel);
  EXPECT_FALSE(flow_.Next(true).cancel) << "once";
  flow_.WriteDone(false, 5);
  EXPECT_EQ(flow_.Next(true).end->code(), absl::StatusCode::kAborted);
}

TEST_F(OpenTrainFlowTest, AStreamThatHasEndedWellIsNotReplaced) {
  flow_.Leave(absl::UnavailableError("drains"));
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kGoodbye);
  flow_.GoodbyeQueued(1);
  flow_.Replace();
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.WriteDone(true, 1);
  EXPECT_EQ(flow_.Next(true).end, absl::OkStatus());
}

TEST_F(OpenTrainFlowTest, AnAnswerHeldBackIsDueWhenTheWriteIsDone) {
  EXPECT_FALSE(flow_.MayHold());
  flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  flow_.AnswerQueued(5);
  flow_.EndPart(false, true);
  EXPECT_TRUE(flow_.Next(true).write);
  EXPECT_TRUE(flow_.MayHold());
  flow_.BeginPart(10);
  flow_.AnswerHeld();
  flow_.EndPart(true, false);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone);
  flow_.WriteDone(true, 5);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kHeld);
  flow_.HeldQueued(5);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone);
  EXPECT_TRUE(flow_.Next(true).write);
}

TEST_F(OpenTrainFlowTest, WhatAClientFarAheadIsSentMayWaitForMore) {
  for (int i = 0; i < 3; ++i) flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  flow_.BeginPart(10);
  EXPECT_FALSE(flow_.MayWait());
  EXPECT_TRUE(Answer());
  EXPECT_TRUE(flow_.MayWait()) << "two messages wait";
  flow_.BeginPart(10);
  TrainFlow::Start start = flow_.Next(true);  // something else has happened
  EXPECT_TRUE(start.write);
  EXPECT_TRUE(start.write_follows);
  flow_.WriteDone(true, 5);
  EXPECT_TRUE(Answer());
  EXPECT_FALSE(flow_.MayWait()) << "one does";
  flow_.BeginPart(10);
  start = flow_.Next(true);
  EXPECT_TRUE(start.write);
  EXPECT_FALSE(start.write_follows);
}

TEST_F(OpenTrainFlowTest, AnswersToAClientFarAheadMayBeHeldBackBeforeAnyWrite) {
  for (int i = 0; i < 3; ++i) flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  EXPECT_FALSE(flow_.MayHold());
  Answer();
  EXPECT_TRUE(flow_.MayHold());
  flow_.BeginPart(10);
  flow_.AnswerHeld();
  flow_.EndPart(true, false);
  EXPECT_FALSE(flow_.MayHold()) << "one message waits, nothing is written";
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone) << "one is queued before it";
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.WriteDone(true, 5);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kHeld);
}

TEST_F(OpenTrainFlowTest, OfSeveralAnswersTheLastSendsAllOnTheirWay) {
  for (int i = 0; i < 2; ++i) flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  for (int i = 0; i < 2; ++i) {
    flow_.BeginPart(10);
    Answer();
  }
  EXPECT_TRUE(flow_.Next(true).write_follows);
  flow_.WriteDone(true, 5);
  const TrainFlow::Start last = flow_.Next(true);
  EXPECT_TRUE(last.write);
  EXPECT_FALSE(last.write_follows);
}

TEST_F(OpenTrainFlowTest, NothingWaitsBeyondItsTurn) {
  for (int i = 0; i < 4; ++i) flow_.MessageRead(10);
  flow_.Next(true);
  flow_.BeginPart(10);
  EXPECT_FALSE(Answer(/*late=*/true));
  EXPECT_FALSE(flow_.MayWait());
  const TrainFlow::Start start = flow_.Next(true);
  EXPECT_TRUE(start.turn);
  EXPECT_TRUE(start.write);
  EXPECT_FALSE(start.write_follows);
}

TEST_F(OpenTrainFlowTest, NewsOfWhatIsDurableAreDueWhereNothingElseIsSaid) {
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone);
  flow_.MoreIsDurable();
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kDurable);
  flow_.DurableQueued(3);
  flow_.MoreIsDurable();
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone);
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.WriteDone(true, 3);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone) << "it rests";
  flow_.NewsMayFollow();
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kDurable);
  flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone) << "an answer will say it";
  flow_.BeginPart(10);
  Answer();
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.WriteDone(true, 5);
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kDurable);
  flow_.NothingMoreIsDurable();
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone);
}

TEST_F(OpenTrainFlowTest, AnAnswerThatWaitsKeepsBackWhatFollowsIt) {
  flow_.AnswerQueued(5);
  flow_.AnswerQueued(5, /*waits=*/true);
  flow_.AnswerQueued(5);
  TrainFlow::Start start = flow_.Next(true);
  EXPECT_TRUE(start.write);
  EXPECT_FALSE(start.write_follows) << "not by itself";
  flow_.WriteDone(true, 5);
  EXPECT_FALSE(flow_.Next(true).write);
  EXPECT_TRUE(flow_.MayHold());
  flow_.AnswersReady(2);
  EXPECT_FALSE(flow_.AnswersWait());
  start = flow_.Next(true);
  EXPECT_TRUE(start.write);
  EXPECT_TRUE(start.write_follows);
}

// Nobody could end it otherwise while the disk fails.
TEST_F(OpenTrainFlowTest, AReplacedStreamWhoseAnswersWaitIsCutOffToo) {
  flow_.AnswerQueued(5, /*waits=*/true);
  flow_.Replace();
  EXPECT_FALSE(flow_.Next(true).end.has_value());
  flow_.CutOff();
  EXPECT_TRUE(flow_.Next(true).cancel);
  flow_.Cancel();
  EXPECT_EQ(flow_.Next(true).end->code(), absl::StatusCode::kAborted);
}

TEST_F(OpenTrainFlowTest, LeavesMessagesThatWaitAfterAGoodbye) {
  flow_.MessageRead(10);
  EXPECT_TRUE(flow_.Next(true).turn);
  flow_.BeginPart(10);
  flow_.MessageRead(10);
  flow_.Leave(absl::UnavailableError("drains"));
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kNone) << "one is being trained";
  flow_.AnswerQueued(5);
  EXPECT_FALSE(flow_.EndPart(true, false));
  EXPECT_EQ(flow_.Due(), TrainFlow::Answer::kGoodbye);
  flow_.GoodbyeQueued(1);
  EXPECT_FALSE(flow_.Next(true).read);
  flow_.WriteDone(true, 5);
  EXPECT_TRUE(flow_.Next(true).write);
  flow_.WriteDone(true, 1);
  EXPECT_EQ(flow_.Next(true).end, absl::OkStatus());
}

TEST(TrainFlowUnopenedTest, EndsWithWhatItWasToldWhereTheServerDrains) {
  TrainFlow flow(1000);
  EXPECT_TRUE(flow.Next(true).read);
  flow.Leave(absl::UnavailableError("drains"));
  EXPECT_EQ(flow.Next(true).end, absl::UnavailableError("drains"));
  EXPECT_FALSE(flow.LetGo()) << "it never had a session";
}

TEST(TrainFlowUnopenedTest, IsRefusedWhereItEndsBeforeItsOpening) {
  TrainFlow flow(1000);
  flow.Next(true);
  flow.ReadsEnded();
  const auto end = flow.Next(true).end;
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace backprop
