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

#include "tests/client/session_message.h"

namespace backprop {
namespace {

using ::testing::_;
using ::testing::DoAll;
using ::testing::HasSubstr;
using ::testing::NiceMock;
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
    ON_CALL(*call, Write(_, _)).WillByDefault(Return(true));
    ON_CALL(*call, WritesDone()).WillByDefault(Return(true));
    ON_CALL(*call, Finish()).WillByDefault(Return(status));
    auto& read = EXPECT_CALL(*call, Read(_));
    read.WillOnce(DoAll(SetArgPointee<0>(Answer(0, 10, 10)), Return(true)));
    for (const auto& answer : answers)
      read.WillOnce(DoAll(SetArgPointee<0>(answer), Return(true)));
    read.WillRepeatedly(Return(false));
    auto stream = TrainStream::Open(std::make_unique<grpc::ClientContext>(),
                                    std::move(call),
                                    testing::SessionMessage(1, {1}), window);
    ASSERT_TRUE(stream.ok()) << stream.status();
    stream_ = *std::move(stream);
  }

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
                              testing::SessionMessage(0, {1}), {})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(TrainStreamTest, EachPartOfAnAnswerComesWithItsOwnInputs) {
  Open({Answer(1, 10, 12, false), Answer(1, 12, 13), Answer(2, 13, 14)});
  ASSERT_TRUE(stream_->Send(Samples({1, 2, 3})));
  ASSERT_TRUE(stream_->Send(Samples({4})));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.inputs, testing::Bytes({1, 2}));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.inputs, testing::Bytes({3}));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.inputs, testing::Bytes({4}));
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(TrainStreamTest, SkippedSamplesHaveNoInputsInTheAnswer) {
  v1::TrainResponse answer = Answer(1, 10, 11);
  answer.set_skipped_samples(2);
  Open({answer});
  ASSERT_TRUE(stream_->Send(Samples({1, 2, 3})));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_EQ(answer_.inputs, testing::Bytes({3}));
}

TEST_F(TrainStreamTest, MoreStepsThanWereSentBreakTheProtocol) {
  for (const uint64_t step : {uint64_t{12}, ~uint64_t{0}, uint64_t{9}}) {
    Open({Answer(1, 10, step)});
    ASSERT_TRUE(stream_->Send(Samples({1})));
    EXPECT_FALSE(stream_->Next(&answer_));
    EXPECT_EQ(stream_->Finish().code(), absl::StatusCode::kInternal);
  }
}

TEST_F(TrainStreamTest, MoreSkippedThanWereSentBreaksTheProtocol) {
  v1::TrainResponse answer = Answer(1, 10, 10);
  answer.set_skipped_samples(~uint64_t{0});
  Open({answer});
  ASSERT_TRUE(stream_->Send(Samples({1})));
  EXPECT_FALSE(stream_->Next(&answer_));
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
  ASSERT_TRUE(stream_->Send(Samples({1})));
  ASSERT_TRUE(stream_->Send(Samples({2})));
  ASSERT_TRUE(stream_->Next(&answer_));
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_FALSE(stream_->Next(&answer_));
  const absl::Status status = stream_->Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 messages"));
}

TEST_F(TrainStreamTest, ServersReasonIsGivenByFinish) {
  Open({}, {}, grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too large"));
  EXPECT_FALSE(stream_->Next(&answer_));
  EXPECT_EQ(stream_->Finish().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(stream_->Send(Samples({1})));
}

TEST_F(TrainStreamTest, WindowIsFullByMessagesAndByBytes) {
  Open({Answer(1, 10, 11)}, {.messages = 2, .bytes = 100});
  ASSERT_TRUE(stream_->Send(Samples({1})));
  EXPECT_FALSE(stream_->WindowFull());
  ASSERT_TRUE(stream_->Send(Samples({2})));
  EXPECT_TRUE(stream_->WindowFull());
  ASSERT_TRUE(stream_->Next(&answer_));
  EXPECT_FALSE(stream_->WindowFull());

  Open({}, {.messages = 100, .bytes = 6});
  ASSERT_TRUE(stream_->Send(Samples({1})));
  EXPECT_TRUE(stream_->WindowFull());
}

TEST_F(TrainStreamTest, MessageLargerThanTheWindowIsSentAlone) {
  Open({}, {.messages = 1, .bytes = 1});
  EXPECT_TRUE(stream_->Send(Samples({1, 2, 3})));
}

TEST_F(TrainStreamTest, AnswerLetsAWaitingSenderGoOn) {
  Open({Answer(1, 10, 11)}, {.messages = 1});
  ASSERT_TRUE(stream_->Send(Samples({1})));
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
  ASSERT_TRUE(stream_->Send(Samples({1})));
  std::thread writer([&] { EXPECT_FALSE(stream_->Send(Samples({2}))); });
  EXPECT_FALSE(stream_->Next(&answer_));
  writer.join();
}

}  // namespace
}  // namespace backprop
