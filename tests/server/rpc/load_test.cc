// SPDX-License-Identifier: Apache-2.0
//
// Many sessions, greedy clients and clients that go away.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

class LoadTest : public ServiceTest {
 protected:
  // Writes `message` again and again without reading an answer, at most `most`
  // times, and returns how often it could before nothing went for a second.
  size_t WritesUntilStalled(const std::string& session_id,
                            const v1::TrainRequest& message, size_t most) {
    TrainCall call(stub(), session_id);
    std::atomic<size_t> written = 0;
    std::thread writer([&] {
      while (written < most && call.Write(message)) ++written;
    });
    size_t before = 0;
    do {
      before = written;
      std::this_thread::sleep_for(std::chrono::seconds(1));
    } while (written != before);
    call.Cancel();
    writer.join();
    return before;
  }
};

TEST_F(LoadTest, AThousandSessionsTrainAtOnce) {
  constexpr size_t kThreads = 8;
  constexpr size_t kSessionsEach = 125;
  constexpr size_t kMessages = 3;
  std::atomic<size_t> steps = 0;
  std::atomic<size_t> open = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::shared_ptr<grpc::Channel> channel = NewChannel();
      // A call does not wait for a connection whose first attempt failed, nor
      // for the second attempt a second later: it fails, and so do all others.
      EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() +
                                            std::chrono::seconds(20)));
      const auto stub = v1::TrainingService::NewStub(channel);
      std::mt19937 random(static_cast<uint32_t>(t));
      std::vector<v1::Session> sessions;
      std::vector<std::unique_ptr<TrainCall>> calls;
      for (size_t i = 0; i < kSessionsEach; ++i) {
        sessions.push_back(Create(Spec(4, {3, 2})));
        calls.push_back(
            std::make_unique<TrainCall>(*stub, sessions.back().session_id()));
        ++open;
      }
      Eventually([&] { return open == kThreads * kSessionsEach; });
      for (size_t m = 0; m < kMessages; ++m) {
        for (size_t i = 0; i < kSessionsEach; ++i) {
          calls[i]->Write(RandomSamples(sessions[i], 2, random));
        }
      }
      for (size_t i = 0; i < kSessionsEach; ++i) {
        for (size_t m = 0; m < kMessages; ++m) {
          const auto answer = calls[i]->Read();
          if (answer && !answer->has_rejection()) {
            steps += static_cast<size_t>(answer->errors_size());
          }
        }
        const grpc::Status status = calls[i]->Finish();
        EXPECT_TRUE(status.ok())
            << "connection " << t << ", call " << i << ": code "
            << status.error_code() << ", " << status.error_message();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(steps, kThreads * kSessionsEach * kMessages * 2);
  EXPECT_EQ(Metric("backprop_sessions "), 1000);
  EXPECT_EQ(Metric("backprop_samples_total "), 6000);
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_train_streams ") == 0; }));
}

TEST_F(LoadTest, AHeavyStreamDoesNotStarveASmallOne) {
  StartWith([](auto& o) { o.compute_threads = 1; });
  const v1::Session heavy = Create(With(Spec(784, {256, 10}), kScaledBytes));
  const v1::Session small = Create(Spec(4, {3, 2}));
  std::mt19937 random(1);
  const v1::TrainRequest message = RandomSamples(heavy, 20'000, random);
  TrainCall heavy_call(stub(), heavy.session_id());
  std::thread writer([&] {
    for (int i = 0; i < 3; ++i) heavy_call.Write(message);
  });
  std::thread reader([&] {
    while (heavy_call.ReadPart()) {
    }
  });
  ASSERT_TRUE(Eventually([&] { return Get(heavy).step() > 0; }));
  TrainCall small_call(stub(), small.session_id());
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(
        small_call.Exchange(RandomSamples(small, 1, random)).has_rejection());
  }
  EXPECT_LT(Get(heavy).step(), 60'000u)
      << "the small session waited for all of the heavy one's work";
  heavy_call.Cancel();
  writer.join();
  reader.join();
}

TEST_F(LoadTest, AClientThatNeverReadsIsStopped) {
  StartWith([](auto& o) { o.max_queued_bytes = 64 << 10; });
  const v1::Session session = Create(Spec(64, {32, 10}));
  std::mt19937 random(1);
  const v1::TrainRequest message = RandomSamples(session, 4, random);
  constexpr size_t kMost = 200'000;
  EXPECT_LT(WritesUntilStalled(session.session_id(), message, kMost), kMost);
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_queued_bytes ") == 0; }));
}

// A message without content costs memory too. (On a socket, gRPC's own window
// takes in a lot of so small ones; what counts is how many the server accepts.)
TEST_F(LoadTest, AClientThatNeverReadsIsStoppedSendingEmptyMessages) {
  StartWith([](auto& o) { o.max_queued_bytes = 64 << 10; });
  const v1::Session session = Create(Spec(64, {32, 10}));
  constexpr size_t kMost = 200'000;
  WritesUntilStalled(session.session_id(), v1::TrainRequest(), kMost);
  EXPECT_LT(Metric("grpc_server_msg_received_total{"), kMost / 4);
}

TEST_F(LoadTest, AStreamGoesOnAfterMoreBytesThanItsQueueHolds) {
  StartWith([](auto& o) { o.max_queued_bytes = 4096; });
  const v1::Session session = Create(Spec(64, {32, 10}));
  std::mt19937 random(1);
  TrainCall call(stub(), session.session_id());
  const v1::TrainRequest message = RandomSamples(session, 8, random);
  for (uint64_t i = 1; i <= 50; ++i) {
    ASSERT_EQ(call.Exchange(message).step(), 8 * i);
  }
}

TEST_F(LoadTest, ADisconnectedStreamFreesItsSessionInAConsistentState) {
  const v1::SessionSpec spec = Spec(32, {24, 4});
  const v1::Session session = Create(spec);
  std::mt19937 random(3);
  const v1::TrainRequest message = RandomSamples(session, 500, random);
  {
    TrainCall call(stub(), session.session_id());
    for (int i = 0; i < 5; ++i) call.Write(message);
    EXPECT_TRUE(call.ReadPart().has_value());
  }  // cancelled
  ASSERT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  v1::GetWeightsResponse end;
  const std::vector<float> weights = Weights(session, &end);
  ASSERT_GT(end.next_offset(), 0u);
  EXPECT_EQ(end.step(), end.next_offset());

  // A twin that is given just those samples comes to the same weights.
  const v1::Session twin = Create(spec);
  TrainCall call(stub(), twin.session_id());
  const size_t row = 32 * sizeof(float);
  for (uint64_t left = end.next_offset(); left > 0;) {
    const uint64_t n = std::min<uint64_t>(left, 500);
    v1::TrainRequest part = message;
    part.mutable_inputs()->resize(n * row);
    part.mutable_targets()->resize(n * 4 * sizeof(float));
    call.Exchange(part);
    left -= n;
  }
  v1::GetWeightsResponse twin_end;
  const std::vector<float> twin_weights = Weights(twin, &twin_end);
  EXPECT_EQ(twin_end.step(), end.step());
  EXPECT_THAT(weights,
              ::testing::Pointwise(::testing::FloatNear(1e-4F), twin_weights));

  // And the stream can be taken up where it broke.
  TrainCall next(stub(), session.session_id());
  ASSERT_TRUE(next.opening().has_value());
  EXPECT_EQ(next.opening()->next_offset(), end.next_offset());
}

TEST_F(LoadTest, ClientsThatComeAndGoLeaveNothingBehind) {
  const v1::Session session = Create(Spec(4, {3, 2}));
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    TrainCall call(stub(), session.session_id());
    call.Write(RandomSamples(session, 3, random));
    if (i % 3 == 0) call.HalfClose();
    if (i % 3 == 1) call.Read();
  }
  EXPECT_TRUE(Eventually([&] { return !Get(session).has_writer(); }));
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_train_streams ") == 0; }));
  EXPECT_EQ(Metric("backprop_queued_bytes "), 0);
  EXPECT_EQ(Metric("backprop_rejections_total{reason=\"INVALID_REQUEST\""), 0)
      << "a message that never came was refused";
  EXPECT_TRUE(Delete(session).ok());
}

}  // namespace
}  // namespace backprop::testing
