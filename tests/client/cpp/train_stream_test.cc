// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/train_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/test/mock_stream.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "client/cpp/call_status.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::Invoke;
using ::testing::NiceMock;
using ::testing::Not;
using ::testing::Return;
using ::testing::SetArgPointee;
using Call = NiceMock<
    grpc::testing::MockClientReaderWriter<v1::TrainRequest, v1::TrainResponse>>;

v1::TrainResponse Answer(uint64_t number, uint64_t base_step, uint64_t step,
                         bool done = true) {
  v1::TrainResponse response;
  response.set_message_number(number);
  response.set_message_done(done);
  response.set_base_step(base_step);
  response.set_step(step);
  return response;
}

// Samples of one float each.
v1::TrainRequest Samples(const std::vector<float>& inputs) {
  v1::TrainRequest request;
  request.set_inputs(testing::Bytes(inputs));
  return request;
}

class TrainStreamTest : public ::testing::Test {
 protected:
  // The server says `answers`, then ends the stream with `status`.
  void Open(const std::vector<v1::TrainResponse>& answers,
            const SendWindow& window = {},
            const grpc::Status& status = grpc::Status()) {
    auto call = std::make_unique<Call>();
    ON_CALL(*call, Write(_, _))
        .WillByDefault(Invoke([this](const v1::TrainRequest& request, auto) {
          sent_.push_back(request);
          return true;
        }));
    ON_CALL(*call, WritesDone()).WillByDefault(Return(true));
    ON_CALL(*call, Finish()).WillByDefault(Return(status));
    auto& read = EXPECT_CALL(*call, Read(_));
    read.WillOnce(DoAll(SetArgPointee<0>(Answer(0, 10, 10)), Return(true)));
    for (const auto& answer : answers)
      read.WillOnce(DoAll(SetArgPointee<0>(answer), Return(true)));
    read.WillRepeatedly(Return(false));
    auto stream =
        TrainStream::Open(std::make_unique<grpc::ClientContext>(),
                          std::move(call), session_, options_, window);
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }

  // A message of each of these samples.
  void Send(const std::vector<std::vector<float>>& messages) {
    for (const auto& inputs : messages) {
      ASSERT_TRUE(stream_->Send(Samples(inputs)));
    }
  }

  // The inputs of the next answer, which must come.
  std::string NextInputs() {
    const bool came = stream_->Next(&answer_);
    EXPECT_TRUE(came);
    return came ? std::string(answer_.inputs) : "nothing";
  }

  // That what the server says next breaks the protocol.
  void ExpectBroken() {
    EXPECT_FALSE(stream_->Next(&answer_));
    EXPECT_EQ(stream_->Finish().code(), absl::StatusCode::kInternal);
  }

  void LearnFrom(uint64_t samples) {
    session_.mutable_spec()
        ->mutable_input()
        ->mutable_standardisation()
        ->set_learn_samples(samples);
  }

  v1::Session session_ = testing::SessionMessage(1, {1});
  v1::TrainOptions options_;
  std::vector<v1::TrainRequest> sent_;
  std::unique_ptr<TrainStream> stream_;
  TrainAnswer answer_;
};

TEST_F(TrainStreamTest, OpeningTellsTheStepItStartsFrom) {
  Open({});
  EXPECT_EQ(stream_->opening_step(), 10U);
}

TEST_F(TrainStreamTest, SessionWithoutInputsIsRefused) {
  EXPECT_EQ(TrainStream::Open(std::make_unique<grpc::ClientContext>(),
                              std::make_unique<Call>(),
                              testing::SessionMessage(0, {1}), {}, {})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainStreamTest, EachPartOfAnAnswerComesWithItsOwnInputs) {
  Open({Answer(1, 10, 12, false), Answer(1, 12, 13), Answer(2, 13, 14)});
  Send({{1, 2, 3}, {4}});
  EXPECT_EQ(NextInputs(), testing::Bytes({1, 2}));
  EXPECT_EQ(NextInputs(), testing::Bytes({3}));
  EXPECT_EQ(NextInputs(), testing::Bytes({4}));
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(TrainStreamTest, MergedAnswerComesWithTheInputsOfAllItsMessages) {
  v1::TrainResponse merged = Answer(3, 10, 14, false);
  merged.set_first_message_number(1);
  Open({merged, Answer(3, 14, 15)});
  Send({{1, 2}, {3}, {4, 5}});
  EXPECT_EQ(NextInputs(), testing::Bytes({1, 2, 3, 4}));
  EXPECT_EQ(answer_.request->inputs(), testing::Bytes({4, 5}));
  EXPECT_EQ(NextInputs(), testing::Bytes({5}));
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(TrainStreamTest, MergedAnswerThatLeavesStepsOutEndsTheStream) {
  for (const uint64_t step : {12, 14}) {  // 3 were sent
    v1::TrainResponse merged = Answer(2, 10, step);
    merged.set_first_message_number(1);
    Open({merged});
    Send({{1, 2}, {3}});
    ExpectBroken();
  }
}

TEST_F(TrainStreamTest, MergedAnswerOfMessagesNeverSentEndsTheStream) {
  v1::TrainResponse merged = Answer(3, 10, 13);
  merged.set_first_message_number(1);
  Open({merged});
  Send({{1, 2}, {3}});
  ExpectBroken();
}

TEST_F(TrainStreamTest, SkippedSamplesHaveNoInputsInTheAnswer) {
  v1::TrainResponse answer = Answer(1, 10, 11);
  answer.set_skipped_samples(2);
  Open({answer});
  Send({{1, 2, 3}});
  EXPECT_EQ(NextInputs(), testing::Bytes({3}));
}

TEST_F(TrainStreamTest, NewsOfDurabilityAnswersNothing) {
  v1::TrainResponse news = Answer(1, 11, 11, false);
  news.set_durable_news(true);
  Open({Answer(1, 10, 11), news, Answer(2, 11, 12)});
  Send({{1}, {2}});
  EXPECT_EQ(NextInputs(), testing::Bytes({1}));
  EXPECT_EQ(NextInputs(), "");
  EXPECT_EQ(answer_.request, nullptr);
  EXPECT_EQ(NextInputs(), testing::Bytes({2}));
}

TEST_F(TrainStreamTest, OptionsGoWithTheOpeningAndComeWithEachAnswer) {
  options_ = testing::Parsed<v1::TrainOptions>(
      "deltas: DELTA_DETAIL_DENSE want_outputs: true");
  Open({Answer(1, 10, 11)});
  Send({{1}});
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.detail, v1::DELTA_DETAIL_DENSE);
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(sent_[0].options().deltas(), v1::DELTA_DETAIL_DENSE);
  EXPECT_TRUE(sent_[0].options().want_outputs());
  EXPECT_FALSE(sent_[1].has_options());
}

TEST_F(TrainStreamTest, WithoutOptionsAnswersHoldFactors) {
  Open({Answer(1, 10, 11)});
  Send({{1}});
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.detail, v1::DELTA_DETAIL_FACTORS);
}

TEST_F(TrainStreamTest, SamplesThatWereLearntFromHaveNoInputsInTheAnswer) {
  LearnFrom(3);
  v1::TrainResponse learning = Answer(1, 10, 10);
  learning.set_next_offset(2);
  v1::TrainResponse learnt = Answer(2, 10, 10, false);
  learnt.set_next_offset(3);
  v1::TrainResponse trained = Answer(2, 10, 11);
  trained.set_next_offset(4);
  Open({learning, learnt, trained});
  EXPECT_EQ(stream_->samples_to_learn(), 3U);
  Send({{1, 2}, {3, 4}});
  EXPECT_EQ(NextInputs(), "");
  EXPECT_EQ(stream_->samples_to_learn(), 1U);
  EXPECT_EQ(NextInputs(), "");
  EXPECT_EQ(NextInputs(), testing::Bytes({4}));
  EXPECT_EQ(stream_->samples_to_learn(), 0U);
}

TEST_F(TrainStreamTest, ForkThatKnowsItsStandardisationLearnsNothing) {
  *session_.mutable_spec()->mutable_input()->mutable_standardisation() =
      testing::Parsed<v1::Standardisation>(
          "learn_samples: 3 mean: 0 factor: 1");
  v1::TrainResponse answer = Answer(1, 10, 11);
  answer.set_next_offset(1);
  Open({answer});
  Send({{1}});
  EXPECT_EQ(NextInputs(), testing::Bytes({1}));
}

TEST_F(TrainStreamTest, MoreLearntFromThanWasSentBreaksTheProtocol) {
  LearnFrom(~uint64_t{0});
  v1::TrainResponse answer = Answer(1, 10, 10);
  answer.set_next_offset(2);
  Open({answer});
  Send({{1}});
  ExpectBroken();
}

TEST_F(TrainStreamTest, MoreStepsThanWereSentBreakTheProtocol) {
  for (const uint64_t step : {uint64_t{12}, ~uint64_t{0}, uint64_t{9}}) {
    Open({Answer(1, 10, step)});
    Send({{1}});
    ExpectBroken();
  }
}

TEST_F(TrainStreamTest, MoreSkippedThanWereSentBreaksTheProtocol) {
  v1::TrainResponse answer = Answer(1, 10, 10);
  answer.set_skipped_samples(~uint64_t{0});
  Open({answer});
  Send({{1}});
  ExpectBroken();
}

TEST_F(TrainStreamTest, AnswerToNothingBreaksTheProtocol) {
  Open({Answer(1, 10, 10)});
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_THAT(std::string(stream_->Finish().message()), HasSubstr("message 1"));
}

TEST_F(TrainStreamTest, GoodbyeEndsAsUnavailable) {
  v1::TrainResponse goodbye = Answer(2, 11, 11, false);
  goodbye.set_goodbye(true);
  Open({Answer(1, 10, 11), goodbye});
  Send({{1}, {2}});
  ASSERT_TRUE(stream_->Next(&answer_));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_FALSE(stream_->Next(&answer_));
  const absl::Status status = stream_->Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("has shut down"), HasSubstr("1 messages"),
                    Not(HasSubstr("go on"))));
  EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
}

TEST_F(TrainStreamTest, AStreamThatEndsEarlyWithoutGoodbyeCanBeGoneOnWith) {
  Open({Answer(1, 10, 11)});
  Send({{1}, {2}});
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_FALSE(stream_->Next(&answer_));
  const absl::Status status = stream_->Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("go on from the offset that it names"));
  EXPECT_EQ(ReasonOf(status), "");
}

TEST_F(TrainStreamTest, ServersReasonIsGivenByFinish) {
  Open({}, {}, grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too large"));
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_EQ(stream_->Finish().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(stream_->Send(Samples({1})));
}

TEST_F(TrainStreamTest, WindowIsFullByMessagesAndByBytes) {
  Open({Answer(1, 10, 11)}, {.messages = 2, .bytes = 100});
  Send({{1}});
  EXPECT_FALSE(stream_->WindowFull());
  Send({{2}});
  EXPECT_TRUE(stream_->WindowFull());
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_FALSE(stream_->WindowFull());

  Open({}, {.messages = 100, .bytes = 6});
  Send({{1}});
  EXPECT_TRUE(stream_->WindowFull());

  Open({}, {.messages = 100, .bytes = 12});
  v1::TrainRequest weighted = Samples({1});
  weighted.add_sample_weights(0.5F);
  ASSERT_TRUE(stream_->Send(weighted));
  EXPECT_TRUE(stream_->WindowFull());
}

TEST_F(TrainStreamTest, MessageLargerThanTheWindowIsSentAlone) {
  Open({}, {.messages = 1, .bytes = 1});
  EXPECT_TRUE(stream_->Send(Samples({1, 2, 3})));
}

TEST_F(TrainStreamTest, AnswerLetsAWaitingSenderGoOn) {
  Open({Answer(1, 10, 11)}, {.messages = 1});
  Send({{1}});
  std::atomic<bool> sent = false;
  std::thread writer([&] { sent = stream_->Send(Samples({2})); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(sent);
  ASSERT_TRUE(stream_->Next(&answer_));
  writer.join();
  EXPECT_TRUE(sent);
}

TEST_F(TrainStreamTest, EndOfTheStreamWakesAWaitingSender) {
  Open({}, {.messages = 1});
  Send({{1}});
  std::thread writer([&] { EXPECT_FALSE(stream_->Send(Samples({2}))); });
  EXPECT_FALSE(stream_->Next(&answer_));
  writer.join();
}

}  // namespace
}  // namespace backprop
