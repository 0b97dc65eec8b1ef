// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/resuming_train_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cpp/call_status.h"
#include "tests/client/cpp/session_fake.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using ::testing::ElementsAre;
using testing::FakeLife;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SessionFake;

// What a message of three samples weighs in the ledger.
constexpr size_t kMessageBytes = SampleLedger::kMessageBytes + 3 * 8;

// Whose waits take no time, but pass.
class FakeClock : public RetryClock {
 public:
  TimePoint Now() override {
    if (on_look_) on_look_();
    return now_;
  }
  void WaitUntil(client::Mutex&, client::CondVar&, TimePoint moment) override {
    now_ = moment;
  }
  void Pass(milliseconds time) { now_ += time; }
  // Called before each look at it.
  void OnLook(std::function<void()> on_look) { on_look_ = std::move(on_look); }
  milliseconds passed() const {
    return std::chrono::duration_cast<milliseconds>(now_.time_since_epoch());
  }

 private:
  TimePoint now_;
  std::function<void()> on_look_;
};

v1::TrainRequest Message(const std::vector<float>& inputs) {
  v1::TrainRequest request;
  request.set_inputs(testing::Bytes(inputs));
  request.set_targets(testing::Bytes(inputs));
  return request;
}

// Messages of three samples each, which round when they are added up.
std::vector<std::vector<float>> Messages(size_t count) {
  std::vector<std::vector<float>> messages;
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<float>(i);
    messages.push_back({0.1F + at, 1e5F / (1 + at), 0.7F * at});
  }
  return messages;
}

std::vector<float> Joined(const std::vector<std::vector<float>>& messages) {
  std::vector<float> all;
  for (const auto& message : messages) {
    all.insert(all.end(), message.begin(), message.end());
  }
  return all;
}

class ResumingTrainStreamTest : public ::testing::Test {
 protected:
  ResumingTrainStreamTest() { options_.with_replica = true; }

  void Serve(std::vector<FakeLife> lives, bool durable = true,
             uint64_t lag = 0) {
    fake_ = std::make_unique<SessionFake>(std::move(lives), durable, lag);
  }

  void Open(const SendWindow& window = {}) {
    client_ = std::make_unique<TrainingClient>(fake_->Client(window));
    options_.clock = clock_;
    options_.jitter = [] { return 0.5; };
    options_.on_resume = [this](const Resumption& resumption) {
      resumptions_.push_back(resumption);
      clock_->Pass(idle_);
    };
    auto stream =
        ResumingTrainStream::Open(*client_, fake_->session(), options_);
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }

  // Takes answers until there are no more.
  void ReadToEnd() {
    TrainAnswer answer;
    while (stream_->Next(&answer)) {
      const v1::TrainResponse& response = answer.response;
      errors_.insert(errors_.end(), response.errors().begin(),
                     response.errors().end());
      skipped_ += response.skipped_samples();
      if (response.has_rejection()) refused_.push_back(response.next_offset());
      if (response.message_done()) done_.push_back(response.message_number());
    }
    status_ = stream_->Finish();
  }

  // Sends everything before it reads any answer.
  void SendThenRead(const std::vector<std::vector<float>>& messages) {
    for (const auto& message : messages) {
      ASSERT_TRUE(stream_->Send(Message(message)));
    }
    stream_->CloseSending();
    ReadToEnd();
  }

  // Sends everything from a thread of its own and reads all answers.
  void Train(const std::vector<std::vector<float>>& messages) {
    std::thread writer([&] {
      for (const auto& message : messages) {
        if (!stream_->Send(Message(message))) return;
      }
      stream_->CloseSending();
    });
    ReadToEnd();
    writer.join();
  }

  // That the session and the replica are as if nothing had broken, and each
  // message was answered once.
  void ExpectAsIfNothingHappened(
      const std::vector<std::vector<float>>& messages) {
    EXPECT_TRUE(status_.ok()) << status_;
    EXPECT_EQ(fake_->samples(), Joined(messages));
    ASSERT_EQ(done_.size(), messages.size());
    for (size_t i = 0; i < done_.size(); ++i) EXPECT_EQ(done_[i], i + 1);
    if (stream_->replica() == nullptr) return;
    const auto weights = stream_->replica()->weights();
    EXPECT_EQ(std::vector<float>(weights.begin(), weights.end()),
              fake_->weights());
  }

  std::unique_ptr<SessionFake> fake_;
  std::unique_ptr<TrainingClient> client_;
  std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>();
  ResumingTrainOptions options_;
  std::unique_ptr<ResumingTrainStream> stream_;
  std::vector<Resumption> resumptions_;
  milliseconds idle_{0};  // of each stream that was opened anew, at first

  // What the user saw.
  std::vector<float> errors_;
  std::vector<uint64_t> done_;
  std::vector<uint64_t> refused_;  // the offsets that refusals named
  uint64_t skipped_ = 0;
  absl::Status status_;
};

TEST_F(ResumingTrainStreamTest, StreamThatHoldsIsLikeAnyOther) {
  Serve({});
  Open();
  const auto messages = Messages(20);
  Train(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_, Joined(messages));
  EXPECT_THAT(resumptions_, IsEmpty());
  EXPECT_FALSE(fake_->openings()[0].takeover());
  EXPECT_TRUE(fake_->openings()[0].options().tell_durable());
  EXPECT_TRUE(fake_->openings()[0].options().hold_answers());
}

TEST_F(ResumingTrainStreamTest, ConnectionThatBreaksIsNotNoticedByTheUser) {
  for (const bool durable : {true, false}) {
    Serve({{.responses = 4}}, durable);
    errors_.clear();
    done_.clear();
    resumptions_.clear();
    Open();
    const auto messages = Messages(12);
    Train(messages);
    ExpectAsIfNothingHappened(messages);
    EXPECT_EQ(errors_, Joined(messages));
    ASSERT_EQ(resumptions_.size(), 1U);
    EXPECT_EQ(resumptions_[0].step, 12U);
    EXPECT_EQ(resumptions_[0].samples_repeated, 0U);
    EXPECT_FALSE(resumptions_[0].replica_anchored);
    EXPECT_EQ(fake_->anchors(), 1);
  }
}

TEST_F(ResumingTrainStreamTest, NewOpeningTakesOverAndTellsTheReplica) {
  Serve({{.responses = 4}});
  Open();
  Train(Messages(8));
  ASSERT_EQ(fake_->openings().size(), 2U);
  const v1::TrainRequest opening = fake_->openings()[1];
  EXPECT_TRUE(opening.takeover());
  EXPECT_EQ(opening.replica().epoch(), 1U);
  EXPECT_EQ(opening.replica().step(), 12U);
}

TEST_F(ResumingTrainStreamTest, StreamThatWasCancelledTakesNothingBack) {
  // The server cancels whoever was replaced and does not read.
  Serve({{.responses = 4,
          .end = grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED")},
         {.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused"),
          .refuses_opening = true}});
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  ASSERT_EQ(fake_->openings().size(), 3U);
  EXPECT_FALSE(fake_->openings()[1].takeover());
  EXPECT_FALSE(fake_->openings()[2].takeover());
}

TEST_F(ResumingTrainStreamTest, OpeningThatFailsIsTriedAgain) {
  Serve({{.responses = 2},
         {.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused"),
          .refuses_opening = true},
         {.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused"),
          .refuses_opening = true}});
  Open();
  const auto messages = Messages(8);
  Train(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(resumptions_.size(), 1U);
  // Half of 100, 200 and 400 ms.
  EXPECT_EQ(clock_->passed(), milliseconds(350));
}

TEST_F(ResumingTrainStreamTest, AnswersLostWithTheConnectionCountAsSkipped) {
  Serve({{.responses = 4, .applied_unanswered = 2}});
  Open();
  const auto messages = Messages(12);
  for (const auto& message : messages) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  stream_->CloseSending();
  ReadToEnd();
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(skipped_, 6U);
  EXPECT_EQ(errors_.size(), 30U);
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_EQ(resumptions_[0].samples_resent, 24U) << "asked for in vain";
  EXPECT_TRUE(resumptions_[0].replica_anchored);
}

TEST_F(ResumingTrainStreamTest, LostAnswersThatAreHeldAreGivenToTheUser) {
  for (const bool durable : {true, false}) {
    Serve({{.responses = 4, .applied_unanswered = 2}}, durable);
    fake_->set_holds(100);
    errors_.clear();
    done_.clear();
    resumptions_.clear();
    Open();
    const auto messages = Messages(12);
    SendThenRead(messages);
    ExpectAsIfNothingHappened(messages);
    EXPECT_EQ(errors_, Joined(messages));
    EXPECT_EQ(skipped_, 0U);
    EXPECT_EQ(fake_->anchors(), 1) << "the one that the stream begins with";
    ASSERT_EQ(resumptions_.size(), 1U);
    EXPECT_EQ(resumptions_[0].step_before, 12U);
    EXPECT_EQ(resumptions_[0].step, 18U);
    EXPECT_EQ(resumptions_[0].samples_resent, 24U);
    EXPECT_EQ(resumptions_[0].samples_repeated, 0U);
    EXPECT_FALSE(resumptions_[0].replica_anchored);
  }
}

TEST_F(ResumingTrainStreamTest, OfAMessageHalfAnsweredTheOtherHalfIsGiven) {
  for (const int applied : {1, 2}) {
    // Two responses a message: the third message is half answered after five.
    Serve({{.responses = 5, .applied_unanswered = applied}});
    fake_->set_part(2);
    fake_->set_holds(100);
    errors_.clear();
    done_.clear();
    Open();
    const auto messages = Messages(6);
    SendThenRead(messages);
    ExpectAsIfNothingHappened(messages);
    EXPECT_EQ(errors_, Joined(messages));
    EXPECT_EQ(skipped_, 0U);
    EXPECT_EQ(fake_->anchors(), 1);
  }
}

TEST_F(ResumingTrainStreamTest, MessageAppliedInPartIsAnsweredAndThenTrained) {
  Serve({{.responses = 3, .parts_unanswered = 2}});
  fake_->set_part(1);
  fake_->set_holds(100);
  Open();
  const auto messages = Messages(4);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_, Joined(messages));
  EXPECT_EQ(fake_->anchors(), 1);
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_EQ(resumptions_[0].step, 5U);
  EXPECT_EQ(resumptions_[0].samples_resent, 9U);
}

TEST_F(ResumingTrainStreamTest, WhatIsHeldNoLongerCountsAsSkipped) {
  Serve({{.responses = 4, .applied_unanswered = 3}});
  fake_->set_holds(1);
  Open();
  const auto messages = Messages(12);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(skipped_, 6U);
  std::vector<float> told = Joined(messages);
  told.erase(told.begin() + 12, told.begin() + 18);
  EXPECT_EQ(errors_, told);
  EXPECT_EQ(fake_->anchors(), 2);
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_TRUE(resumptions_[0].replica_anchored);
}

TEST_F(ResumingTrainStreamTest, HalfThatIsHeldNoLongerCountsAsSkippedAlone) {
  Serve({{.responses = 5, .applied_unanswered = 2}});
  fake_->set_part(2);
  Open();
  const auto messages = Messages(6);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(skipped_, 4U);
  EXPECT_EQ(errors_.size(), 14U);
  EXPECT_EQ(fake_->anchors(), 2);
}

TEST_F(ResumingTrainStreamTest, BreakWhileItAsksAgainIsGoneBeyond) {
  Serve({{.responses = 4, .applied_unanswered = 4},
         {.responses = 2},
         {.responses = 0},
         {.responses = 6, .applied_unanswered = 2}});
  fake_->set_holds(100);
  Open();
  const auto messages = Messages(14);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_, Joined(messages));
  EXPECT_EQ(fake_->anchors(), 1);
  EXPECT_EQ(resumptions_.size(), 2U) << "the others went on from nothing";
}

TEST_F(ResumingTrainStreamTest, RestOfAMessageThatWasSentAloneIsAskedForAlone) {
  for (const int parts : {1, 2, 3}) {
    // The third message is answered in part, and its rest is sent alone; the
    // answers to that are lost. Then the same of what is left of that.
    Serve({{.responses = 2 * 4 + 1},
           {.responses = 0, .parts_unanswered = parts},
           {.responses = 1},
           {.responses = 0, .applied_unanswered = 2}});
    fake_->set_part(1);
    fake_->set_holds(100);
    errors_.clear();
    done_.clear();
    Open();
    std::vector<std::vector<float>> messages;
    for (int i = 0; i < 6; ++i) {
      const auto at = static_cast<float>(i);
      messages.push_back({0.1F + at, 1e5F / (1 + at), 0.7F * at, 3.3F + at});
    }
    SendThenRead(messages);
    ExpectAsIfNothingHappened(messages);
    EXPECT_EQ(errors_, Joined(messages));
    EXPECT_EQ(skipped_, 0U);
    EXPECT_EQ(fake_->anchors(), 1) << parts;
  }
}

TEST_F(ResumingTrainStreamTest, MessageWithoutSamplesHidesNoLostAnswer) {
  for (const size_t held : {100, 0}) {
    Serve({{.responses = 1, .applied_unanswered = 4}});
    fake_->set_holds(held);
    errors_.clear();
    done_.clear();
    Open();
    SendThenRead({{1, 2}, {3, 4}, {}, {5, 6}, {}, {7}});
    EXPECT_TRUE(status_.ok()) << status_;
    EXPECT_THAT(done_, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_THAT(fake_->samples(), ElementsAre(1, 2, 3, 4, 5, 6, 7));
    EXPECT_EQ(fake_->anchors(), held > 0 ? 1 : 2);
    EXPECT_EQ(stream_->replica()->step(), 7U);
    if (held > 0) {
      EXPECT_THAT(errors_, ElementsAre(1, 2, 3, 4, 5, 6, 7));
    }
  }
}

TEST_F(ResumingTrainStreamTest, WhatIsNotAskedForIsAnsweredInOrderToo) {
  // Nothing is asked for: the replica has to begin anew.
  Serve({{.responses = 1, .applied_unanswered = 3}, {.resync = true}});
  Open();
  SendThenRead({{1, 2}, {3, 4}, {}, {5, 6}, {7}});
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(done_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(skipped_, 4U);
}

TEST_F(ResumingTrainStreamTest, RefusalOfAStrayComesBeforeWhatFollowsIt) {
  // The second message is refused, and the third, which was sent meanwhile.
  Serve({{.responses = 2, .applied_unanswered = 2, .refuse_at = 4}});
  fake_->set_holds(100);
  Open();
  for (const auto& message : Messages(3)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  TrainAnswer answer;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Send(Message({5, 6})));
  stream_->CloseSending();
  ReadToEnd();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(done_, ElementsAre(3, 4));
  EXPECT_THAT(errors_, ElementsAre(5, 6));
  EXPECT_EQ(fake_->anchors(), 1);
}

TEST_F(ResumingTrainStreamTest, AnswersOfAnotherEpochAreNotAskedFor) {
  Serve({{.responses = 4, .applied_unanswered = 2, .crash_to = 15}}, true, 18);
  fake_->set_holds(100);
  Open();
  const auto messages = Messages(12);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(skipped_, 3U);
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_EQ(resumptions_[0].samples_resent, 21U);
  EXPECT_TRUE(resumptions_[0].replica_anchored);
}

TEST_F(ResumingTrainStreamTest, AReplicaThatMustBeginAnewAsksForNothing) {
  Serve({{.responses = 4, .applied_unanswered = 2}, {.resync = true}});
  fake_->set_holds(100);
  Open();
  const auto messages = Messages(12);
  SendThenRead(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(skipped_, 6U);
  EXPECT_EQ(fake_->anchors(), 2);
}

TEST_F(ResumingTrainStreamTest, LostAnswersNeedNoReplica) {
  options_.with_replica = false;
  Serve({{.responses = 4, .applied_unanswered = 2}});
  fake_->set_holds(100);
  Open();
  SendThenRead(Messages(12));
  EXPECT_EQ(errors_, Joined(Messages(12)));
  EXPECT_EQ(fake_->anchors(), 0);
}

TEST_F(ResumingTrainStreamTest, TheServerIsToldWhatTheUserHas) {
  Serve({});
  fake_->set_part(2);
  Open();
  ASSERT_TRUE(stream_->Send(Message({1, 2, 3})));
  ASSERT_TRUE(stream_->Send(Message({4, 5, 6})));
  TrainAnswer answer;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Send(Message({7, 8, 9})));
  ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Send(Message({10})));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Send(Message({11})));
  // The second message was half answered when the third was sent.
  EXPECT_THAT(fake_->received_offsets(), ElementsAre(0, 0, 3, 6, 10));
}

TEST_F(ResumingTrainStreamTest, MessageThatIsHalfAnsweredGoesOnInItsMiddle) {
  // Two responses a message: the third message is half answered after five.
  Serve({{.responses = 5}});
  fake_->set_part(2);
  Open();
  const auto messages = Messages(6);
  for (const auto& message : messages) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  stream_->CloseSending();
  ReadToEnd();
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_, Joined(messages));
  // Of the third message its last sample alone is sent again.
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_EQ(resumptions_[0].step, 8U);
  EXPECT_EQ(resumptions_[0].samples_resent, 10U);
}

TEST_F(ResumingTrainStreamTest, CrashThatTakesAnsweredStepsBackIsMadeGood) {
  for (const uint64_t lag : {3, 5, 9, 12}) {
    Serve({{.responses = 8, .crash_to = 12 - lag}}, true, lag);
    fake_->set_part(2);  // so that a message is half answered
    errors_.clear();
    done_.clear();
    resumptions_.clear();
    Open();
    const auto messages = Messages(12);
    Train(messages);
    ExpectAsIfNothingHappened(messages);
    EXPECT_EQ(errors_, Joined(messages));
    ASSERT_EQ(resumptions_.size(), 1U);
    EXPECT_EQ(resumptions_[0].epoch_before, 1U);
    EXPECT_EQ(resumptions_[0].epoch, 2U);
    EXPECT_GT(resumptions_[0].samples_repeated, 0U) << lag;
    EXPECT_TRUE(resumptions_[0].replica_anchored);
  }
}

TEST_F(ResumingTrainStreamTest, BreaksDuringTheResendAndCrashesTwice) {
  Serve({{.responses = 8, .crash_to = 17},
         {.responses = 1, .crash_to = 16},
         {.responses = 0},
         {.responses = 3, .applied_unanswered = 1, .crash_to = 19}},
        true, 12);
  fake_->set_part(2);
  Open();
  const auto messages = Messages(15);
  Train(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_.size() + skipped_, 45U);
  EXPECT_EQ(resumptions_.size(), 4U);
  EXPECT_EQ(fake_->epoch(), 4U);
}

TEST_F(ResumingTrainStreamTest, CrashAfterTheLastAnswerIsMadeGoodToo) {
  Serve({{.responses = 5, .crash_to = 6}}, true, 9);
  Open();
  const auto messages = Messages(5);
  Train(messages);
  ExpectAsIfNothingHappened(messages);
  EXPECT_EQ(errors_, Joined(messages));
}

TEST_F(ResumingTrainStreamTest, ResyncAtTheSameStepBringsAnAnchor) {
  Serve({{.responses = 4}, {.resync = true}});
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_TRUE(resumptions_[0].replica_anchored);
  EXPECT_EQ(fake_->anchors(), 2);
}

TEST_F(ResumingTrainStreamTest, LostAnswerWithTheStandardisationIsMadeGood) {
  Serve({{.responses = 0, .applied_unanswered = 2}});
  fake_->set_learn(6);
  fake_->set_holds(100);
  Open();
  const auto messages = Messages(8);
  for (const auto& message : messages) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  stream_->CloseSending();
  ReadToEnd();
  ExpectAsIfNothingHappened(messages);
  ASSERT_EQ(resumptions_.size(), 1U);
  // No step was made, and the replica knows what was learnt all the same.
  EXPECT_EQ(resumptions_[0].step, 0U);
  EXPECT_TRUE(resumptions_[0].replica_anchored);
  EXPECT_THAT(stream_->replica()->input_format().mean, ElementsAre(0));
}

TEST_F(ResumingTrainStreamTest, BreakBeforeAllIsLearntBringsNoAnchor) {
  Serve({{.responses = 1}});
  fake_->set_learn(6);
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_FALSE(resumptions_[0].replica_anchored);
  EXPECT_THAT(stream_->replica()->input_format().mean, ElementsAre(0));
}

TEST_F(ResumingTrainStreamTest, WithoutAReplicaNothingIsFetched) {
  options_.with_replica = false;
  Serve({{.responses = 4, .crash_to = 6}}, true, 6);
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  EXPECT_EQ(fake_->anchors(), 0);
  EXPECT_FALSE(fake_->openings()[1].has_replica());
}

TEST_F(ResumingTrainStreamTest, GoodbyeOfADurableSessionIsGoneBeyond) {
  Serve({{.responses = 4, .end = grpc::Status(), .goodbye = true}});
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  ASSERT_EQ(resumptions_.size(), 1U);
  EXPECT_EQ(ReasonOf(resumptions_[0].cause), "SHUTTING_DOWN");
}

TEST_F(ResumingTrainStreamTest,
       WhateverABrokenConnectionIsCalledItIsGoneBeyond) {
  for (const grpc::Status& end :
       {grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED"),
        grpc::Status(grpc::StatusCode::UNKNOWN, "Stream removed"),
        grpc::Status(grpc::StatusCode::ABORTED, "")}) {
    Serve({{.responses = 4, .end = end}});
    done_.clear();
    Open();
    Train(Messages(8));
    ExpectAsIfNothingHappened(Messages(8));
  }
}

TEST_F(ResumingTrainStreamTest, GoodbyeOfASessionInMemoryEndsTheStream) {
  Serve({{.responses = 4, .end = grpc::Status(), .goodbye = true}}, false);
  Open();
  Train(Messages(8));
  EXPECT_EQ(ReasonOf(status_), "SHUTTING_DOWN");
  EXPECT_EQ(fake_->openings().size(), 1U);
}

TEST_F(ResumingTrainStreamTest, GivesUpAfterTheBoundWithTheLastError) {
  std::vector<FakeLife> lives = {{.responses = 2}};
  for (int i = 0; i < 100; ++i) {
    lives.push_back(
        {.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "still down"),
         .refuses_opening = true});
  }
  Serve(std::move(lives));
  options_.retry.within = std::chrono::seconds(20);
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("still down"));
  EXPECT_EQ(clock_->passed(), std::chrono::seconds(20));
  EXPECT_FALSE(stream_->Send(Message({1})));
}

TEST_F(ResumingTrainStreamTest, StreamThatHeldIsNoFailedAttempt) {
  Serve({{.responses = 2}, {.responses = 0}});
  options_.retry.within = std::chrono::seconds(20);
  idle_ = std::chrono::seconds(21);
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
  EXPECT_EQ(resumptions_.size(), 2U);
}

TEST_F(ResumingTrainStreamTest, StreamsThatBreakAtOnceCountAgainstTheBound) {
  std::vector<FakeLife> lives(100, {.responses = 0});
  Serve(std::move(lives));
  options_.retry.within = std::chrono::seconds(20);
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(clock_->passed(), std::chrono::seconds(20));
}

TEST_F(ResumingTrainStreamTest, BoundOfZeroEndsAsAStreamDoes) {
  Serve({{.responses = 2}});
  options_.retry.within = milliseconds(0);
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_->openings().size(), 1U);
}

TEST_F(ResumingTrainStreamTest, WhoeverWantsItNoMoreWaitsForNothing) {
  Serve({{.responses = 2}});
  options_.give_up = [] { return true; };
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(clock_->passed(), milliseconds(0));
}

TEST_F(ResumingTrainStreamTest, WhoeverWantsItNoMoreMayAskTheStream) {
  Serve({{.responses = 2}});
  options_.give_up = [this] {
    stream_->WindowFull();
    return false;
  };
  Open();
  Train(Messages(8));
  ExpectAsIfNothingHappened(Messages(8));
}

TEST_F(ResumingTrainStreamTest, OpeningThatIsNotAnsweredIsGivenUp) {
  Serve({{.responses = 2},
         {.end = grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED"),
          .refuses_opening = true,
          .hangs = true}});
  options_.give_up = [this] { return fake_->LetGo(); };
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_->openings().size(), 2U);
}

TEST_F(ResumingTrainStreamTest, OpeningThatIsNeverAnsweredIsTriedAgain) {
  Serve({{.responses = 2},
         {.end = grpc::Status(grpc::StatusCode::CANCELLED, "CANCELLED"),
          .refuses_opening = true,
          .hangs = true}});
  options_.retry.within = minutes(5);
  // It is cancelled then, which the fake can't see.
  bool over = false;
  clock_->OnLook([&] {
    if (!fake_->hung() || std::exchange(over, true)) return;
    clock_->Pass(minutes(1));
    fake_->LetGo();
  });
  Open();
  // Were it waited for without a bound, nobody would look at the clock.
  std::atomic<bool> done = false;
  std::thread guard([&] {
    for (int i = 0; i < 200 && !done; ++i) {
      std::this_thread::sleep_for(milliseconds(50));
    }
    if (!done) fake_->LetGo();
  });
  Train(Messages(8));
  done = true;
  guard.join();
  EXPECT_TRUE(over);
  EXPECT_GT(clock_->passed(), minutes(1));
  ExpectAsIfNothingHappened(Messages(8));
  EXPECT_EQ(fake_->openings().size(), 3U);
}

TEST_F(ResumingTrainStreamTest, ErrorThatDoesNotPassEndsIt) {
  Serve({{.responses = 2,
          .end = grpc::Status(grpc::StatusCode::NOT_FOUND, "no such")}});
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(fake_->openings().size(), 1U);
}

TEST_F(ResumingTrainStreamTest, SessionBehindWhatIsKeptIsDataLoss) {
  // The answers said that all but 3 samples were durable.
  Serve({{.responses = 4, .crash_to = 5}}, true, 3);
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("at offset 5"));
}

TEST_F(ResumingTrainStreamTest, RefusalNamesWhereToGoOn) {
  Serve({{.refuse_at = 7}});
  Open({.messages = 4});
  // The third message is refused in its middle, the fourth lies beyond it.
  for (const auto& message : Messages(4)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  TrainAnswer answer;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_EQ(answer.response.next_offset(), 7U);
  ASSERT_TRUE(stream_->Send(Message({5})));
  stream_->CloseSending();
  ReadToEnd();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(fake_->samples().size(), 8U);
  EXPECT_THAT(errors_, ElementsAre(5));
}

TEST_F(ResumingTrainStreamTest, RefusalIsRememberedWhenTheStreamBreaksAfterIt) {
  Serve({{.responses = 3, .refuse_at = 7}});
  Open();
  for (const auto& message : Messages(5)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  stream_->CloseSending();
  ReadToEnd();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(done_, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(refused_, ElementsAre(7, 7, 7));
  EXPECT_EQ(fake_->samples().size(), 7U);
}

TEST_F(ResumingTrainStreamTest, RefusalOfAMessageWithoutSamplesShiftsNothing) {
  Serve({{.responses = 3}});
  Open();
  for (const std::vector<float>& inputs :
       std::vector<std::vector<float>>{{1, 2}, {}, {3, 4}, {5}}) {
    ASSERT_TRUE(stream_->Send(Message(inputs)));
  }
  TrainAnswer answer;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_TRUE(answer.response.has_rejection());
  ASSERT_TRUE(stream_->Send(Message({6})));
  stream_->CloseSending();
  ReadToEnd();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_THAT(refused_, IsEmpty());
  EXPECT_THAT(done_, ElementsAre(3, 4, 5));
  EXPECT_THAT(fake_->samples(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(ResumingTrainStreamTest, WhatWasRefusedIsNeverSentAgain) {
  Serve({{.responses = 5, .refuse_at = 7}, {.responses = 0, .crash_to = 6}},
        true, 100);
  Open();
  for (const auto& message : Messages(4)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  TrainAnswer answer;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Send(Message({5, 6})));
  stream_->CloseSending();
  ReadToEnd();
  EXPECT_TRUE(status_.ok()) << status_;
  std::vector<float> applied = Joined(Messages(4));
  applied.resize(7);
  applied.insert(applied.end(), {5, 6});
  EXPECT_EQ(fake_->samples(), applied);
  EXPECT_EQ(resumptions_.size(), 2U);
}

TEST_F(ResumingTrainStreamTest, RefusalOfWhatWasAppliedBeforeEndsIt) {
  Serve({{.responses = 4, .crash_to = 6}, {.refuse_at = 8}}, true, 6);
  Open();
  Train(Messages(8));
  EXPECT_EQ(status_.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status_.message()), HasSubstr("refused"));
}

TEST_F(ResumingTrainStreamTest, LedgerThatIsFullHoldsTheSenderUntilDurable) {
  Serve({}, true, 6);
  options_.ledger_bytes = 3 * kMessageBytes;
  Open();
  for (const auto& message : Messages(3)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  EXPECT_TRUE(stream_->WindowFull());
  std::atomic<bool> sent = false;
  std::thread writer([&] { sent = stream_->Send(Message({1, 2, 3})); });
  TrainAnswer answer;
  // Answered to step 6, of which nothing is durable.
  ASSERT_TRUE(stream_->Next(&answer));
  ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_TRUE(stream_->WindowFull());
  EXPECT_FALSE(sent);
  ASSERT_TRUE(stream_->Next(&answer));
  writer.join();
  EXPECT_TRUE(sent);
}

TEST_F(ResumingTrainStreamTest, LedgerThatIsHalfFullHurriesTheServerOnce) {
  Serve({}, true, 6);
  options_.ledger_bytes = 6 * kMessageBytes;
  Open();
  for (const auto& message : Messages(6)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  EXPECT_THAT(fake_->hurried(), ElementsAre(9));
  TrainAnswer answer;
  // The fourth message is durable with the answer to the sixth.
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(stream_->Next(&answer));
  for (const auto& message : Messages(2)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  EXPECT_THAT(fake_->hurried(), ElementsAre(9, 21));
}

TEST_F(ResumingTrainStreamTest, ServerIsHurriedAfterEachHalfLedgerThatIsSent) {
  // Four messages are never durable, which is more than half of the ledger.
  Serve({}, true, 12);
  options_.ledger_bytes = 6 * kMessageBytes;
  Open();
  TrainAnswer answer;
  for (int i = 0; i < 16; ++i) {
    v1::TrainRequest message = Message({1, 2, 3});
    message.set_when_durable(i == 12);  // the user's own wish counts too
    ASSERT_TRUE(stream_->Send(std::move(message)));
    ASSERT_TRUE(stream_->Next(&answer));
  }
  EXPECT_THAT(fake_->hurried(), ElementsAre(9, 21, 33, 36));
}

TEST_F(ResumingTrainStreamTest, LedgerOfAMemorySessionHurriesNobody) {
  Serve({}, false);
  options_.ledger_bytes = 2 * kMessageBytes;
  Open();
  for (const auto& message : Messages(2)) {
    ASSERT_TRUE(stream_->Send(Message(message)));
  }
  EXPECT_THAT(fake_->hurried(), IsEmpty());
}

TEST_F(ResumingTrainStreamTest, NewsOfDurabilityEmptiesTheLedger) {
  Serve({}, true, 100);
  options_.ledger_bytes = kMessageBytes;
  Open();
  ASSERT_TRUE(stream_->Send(Message({1, 2, 3})));
  TrainAnswer answer;
  ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_TRUE(stream_->WindowFull());
  fake_->TellDurable();
  ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_TRUE(answer.response.durable_news());
  EXPECT_EQ(answer.request, nullptr);
  EXPECT_FALSE(stream_->WindowFull());
  EXPECT_EQ(stream_->replica()->step(), 3U);
}

TEST_F(ResumingTrainStreamTest, CancelEndsItWhileTimeIsWaitedFor) {
  Serve({{.responses = 1}});
  options_.on_break = [this](const absl::Status&) { stream_->Cancel(); };
  Open();
  Train(Messages(4));
  EXPECT_EQ(status_.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(fake_->openings().size(), 1U);
}

TEST_F(ResumingTrainStreamTest, SamplesOfAMemorySessionAreKeptUntilAnswered) {
  Serve({}, false);
  options_.ledger_bytes = kMessageBytes;
  Open();
  ASSERT_TRUE(stream_->Send(Message({1, 2, 3})));
  EXPECT_TRUE(stream_->WindowFull());
  TrainAnswer answer;
  ASSERT_TRUE(stream_->Next(&answer));
  EXPECT_FALSE(stream_->WindowFull());
}

}  // namespace
}  // namespace backprop
