// SPDX-License-Identifier: Apache-2.0
//
// What calls hold, and what happens when there is no more of it.
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/server/allocation_limit.h"
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/server/watch_call.h"

namespace backprop::testing {
namespace {

constexpr size_t kNoLargeBlocks = 1 << 20;

class MemoryTest : public ServiceTest {
 protected:
  // A unary call whose answer nobody reads.
  class UnreadCall {
   public:
    UnreadCall(const std::shared_ptr<grpc::Channel>& channel,
               const std::string& method, const std::string& request) {
      stream_ = grpc::GenericStub(channel).PrepareCall(
          &context_, "/backprop.v1.TrainingService/" + method, &queue_);
      stream_->StartCall(Tag());
      Await();
      const grpc::Slice slice(request);
      stream_->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(),
                         Tag());
      Await();
    }
    ~UnreadCall() {
      context_.TryCancel();
      grpc::Status status;
      stream_->Finish(&status, Tag());
      Await();
      queue_.Shutdown();
      void* tag = nullptr;
      bool ok = false;
      while (queue_.Next(&tag, &ok)) {
      }
    }

   private:
    void* Tag() { return this; }
    void Await() {
      void* tag = nullptr;
      bool ok = false;
      EXPECT_TRUE(queue_.Next(&tag, &ok));
    }

    grpc::ClientContext context_;
    grpc::CompletionQueue queue_;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  };

  static v1::PredictRequest PredictRows(const v1::Session& session,
                                        size_t rows) {
    return PredictionOf(session.session_id(), std::vector<float>(rows, 1));
  }

  grpc::Status Predict(const v1::Session& session, size_t rows) {
    return Try(&Stub::Predict, PredictRows(session, rows));
  }

  // A connection that takes in 64 KiB a call unread.
  std::shared_ptr<grpc::Channel> NarrowChannel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'535);
    return grpc::CreateCustomChannel(
        server().grpc_address(), grpc::InsecureChannelCredentials(), arguments);
  }

  std::mt19937 random_{31};
};

TEST_F(MemoryTest, AnswersThatNobodyReadsAreBounded) {
  StartWith([](auto& o) {  // room for 21 MB of answers
    o.max_message_bytes = 1'000'000;
    o.max_session_weights = 100'000;
  });
  const v1::Session session = Create(Spec(1, {10'000}));
  ASSERT_TRUE(Predict(session, 24).ok());
  const auto narrow = NarrowChannel();
  std::vector<std::unique_ptr<UnreadCall>> unread;
  grpc::Status status;
  while (unread.size() < 50 && status.ok()) {
    const double handled = Metric("grpc_server_handled_total");
    unread.push_back(std::make_unique<UnreadCall>(
        narrow, "Predict", PredictRows(session, 24).SerializeAsString()));
    EXPECT_TRUE(Eventually(
        [&] { return Metric("grpc_server_handled_total") > handled; }));
    status = Predict(session, 24);
  }
  EXPECT_THAT(status,
              Fails(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_LIMIT"))
      << status.error_message() << " after " << unread.size();
  EXPECT_GT(unread.size(), 10u);
  unread.clear();
  EXPECT_TRUE(Eventually([&] { return Predict(session, 24).ok(); }))
      << "clients that go give back what they had";
}

// A step's delta is 400 kB, more than all the room for watchers and more than
// an unread call takes in.
TEST_F(MemoryTest, AWatcherThatGoesGivesBackTheRoomOfWhatItIsSent) {
  StartWith([](auto& o) { o.max_message_bytes = 8192; });
  const v1::Session session =
      Create(With(Spec(100, {1000}), "layers {delta_form: DELTA_FORM_DENSE}"));
  TrainCall train(stub(), session,
                  Parsed<v1::TrainOptions>("deltas: DELTA_DETAIL_NONE"));
  const auto step = [&] {
    EXPECT_FALSE(
        train.Exchange(RandomSamples(session, 1, random_)).has_rejection());
  };
  v1::WatchDeltasResponse response;
  {
    const auto narrow = v1::TrainingService::NewStub(NarrowChannel());
    WatchCall unread(*narrow, session.session_id());
    ASSERT_TRUE(unread.Read(&response));
    step();
    EXPECT_TRUE(Eventually([&] {
      return Metric("grpc_server_msg_sent_total{grpc_method=\"WatchDeltas\"") ==
             2;
    }));
    WatchCall other(stub(), session.session_id());
    ASSERT_TRUE(other.Read(&response));
    step();
    ASSERT_TRUE(other.Read(&response));
    EXPECT_TRUE(response.resync()) << "there was room for two";
  }
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_watch_streams ") == 0; }));
  WatchCall next(stub(), session.session_id());
  ASSERT_TRUE(next.Read(&response));
  step();
  ASSERT_TRUE(next.Read(&response));
  EXPECT_FALSE(response.resync());
  EXPECT_EQ(response.step(), 3u);
}

TEST_F(MemoryTest, AWatcherThatHasReadItsAnchorHoldsNothingOfIt) {
  // max_total_weights bounds all copies together too: there is room for one.
  StartWith([](auto& o) { o.max_total_weights = 1'500'000; });
  const v1::Session session = Create(Spec(999, {1000}));
  WatchCall idle(stub(), WithAnchor(session));
  AnchoredReplica follower(session);
  ASSERT_TRUE(follower.ReadTo(0, idle));
  EXPECT_TRUE(Eventually([&] {
    WatchCall other(stub(), WithAnchor(session));
    v1::WatchDeltasResponse response;
    return other.Read(&response);
  }));
}

TEST_F(MemoryTest, ADeletedSessionsRoomIsFreeWhenItsLastCallHasEnded) {
  StartWith([](auto& o) { o.max_total_weights = 100; });
  const v1::Session session = Create(Spec(9, {9}));  // 90 weights
  grpc::ClientContext context;
  v1::EvaluateResponse response;
  const auto writer = stub().Evaluate(&context, &response);
  auto opening = For<v1::EvaluateRequest>(session);
  writer->Write(opening);
  EXPECT_TRUE(Eventually([&] {
    return Metric("grpc_server_msg_received_total{grpc_method=\"Evaluate\"") ==
               1 &&
           Metric("backprop_queued_bytes ") == 0;
  }));
  ASSERT_TRUE(Delete(session).ok());
  EXPECT_EQ(Reason(TryCreate(Spec(9, {9}))), "SESSION_LIMIT");
  const v1::TrainRequest samples = RandomSamples(session, 3, random_);
  writer->Write(EvaluationOf("", samples));
  writer->WritesDone();
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(response.samples(), 3u);
  EXPECT_TRUE(TryCreate(Spec(9, {9})).ok());
}

TEST_F(MemoryTest, WithoutMemoryATrainStreamEndsAndNothingElse) {
  const v1::Session session =
      Create(With(Spec(500, {3}), "optimiser {learning_rate: 1e-5}"));
  TrainCall call(stub(), session);
  const v1::TrainRequest large = RandomSamples(session, 1000, random_);
  const uint64_t digest = Digest(session);
  {
    AllocationLimit limit(kNoLargeBlocks);
    EXPECT_TRUE(call.Write(large));
    EXPECT_FALSE(call.ReadPart().has_value());
  }
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Digest(session), digest);
  TrainCall next(stub(), session);
  EXPECT_EQ(next.Exchange(large).step(), 1000u);
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
}

TEST_F(MemoryTest, WithoutMemoryAnEvaluationEndsAndNothingElse) {
  const v1::Session session = Create(Spec(500, {3}));
  const v1::TrainRequest samples = RandomSamples(session, 1000, random_);
  const v1::EvaluateRequest request =
      EvaluationOf(session.session_id(), samples);
  v1::EvaluateResponse response;
  for (const bool limited : {true, false}) {
    grpc::ClientContext context;
    const auto writer = stub().Evaluate(&context, &response);
    std::unique_ptr<AllocationLimit> limit;
    if (limited) limit = std::make_unique<AllocationLimit>(kNoLargeBlocks);
    writer->Write(request);
    writer->WritesDone();
    EXPECT_EQ(
        writer->Finish().error_code(),
        limited ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::OK);
  }
  EXPECT_EQ(response.samples(), 1000u);
}

TEST_F(MemoryTest, WithoutMemoryACopyOfWeightsEndsAndNothingElse) {
  const v1::Session session = Create(Spec(1000, {1000}));
  auto request = For<v1::GetWeightsRequest>(session);
  {
    AllocationLimit limit(kNoLargeBlocks);
    grpc::ClientContext context;
    const auto reader = stub().GetWeights(&context, request);
    v1::GetWeightsResponse chunk;
    EXPECT_FALSE(reader->Read(&chunk));
    EXPECT_EQ(reader->Finish().error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_EQ(Weights(session).size(), 1001u * 1000);
}

TEST_F(MemoryTest, WithoutMemoryAUnaryCallEndsAndNothingElse) {
  const v1::Session session = Create(Spec(1, {1000}));
  {
    AllocationLimit limit(kNoLargeBlocks);
    EXPECT_EQ(Predict(session, 1000).error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_TRUE(Predict(session, 1000).ok());
}

TEST_F(MemoryTest, StreamsThatAreCancelledAreNotCountedAsOk) {
  const v1::Session session = Create(Spec(4, {3, 2}));
  constexpr int kStreams = 300;
  for (int i = 0; i < kStreams; ++i) {
    TrainCall call(stub(), session);
    if (i % 2 == 0) call.Write(RandomSamples(session, 3, random_));
    EXPECT_TRUE(call.opening().has_value());
    call.Cancel();
    call.Finish();
    EXPECT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  }
  EXPECT_EQ(Metric("grpc_server_handled_total{grpc_code=\"Canceled\","
                   "grpc_method=\"Train\""),
            kStreams);
  EXPECT_EQ(
      Metric(
          "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Train\""),
      0);
}

}  // namespace
}  // namespace backprop::testing
