// SPDX-License-Identifier: Apache-2.0
//
// Measuring a server that falls silent. Only a call of gRPC's own can show that
// it was cancelled.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "client/cli/run/bench_run.h"
#include "tests/client/cpp/session_message.h"

namespace backprop::cli {
namespace {

using Clock = BenchRun::Clock;
using Stream = grpc::ServerReaderWriter<v1::TrainResponse, v1::TrainRequest>;

constexpr auto kGlance = std::chrono::milliseconds(20);
constexpr auto kPatience = std::chrono::seconds(30);
constexpr BenchWay kWay = {.samples_per_message = 4, .deltas = false};

// Answers the opening and so many messages, then says nothing until the call is
// cancelled.
class FallsSilent : public v1::TrainingService::Service {
 public:
  explicit FallsSilent(uint64_t messages) : messages_(messages) {}

  grpc::Status GetSession(grpc::ServerContext* /*context*/,
                          const v1::GetSessionRequest* /*request*/,
                          v1::GetSessionResponse* response) override {
    *response->mutable_session() = testing::SessionMessage(1, {1});
    return grpc::Status();
  }

  grpc::Status Train(grpc::ServerContext* context, Stream* stream) override {
    v1::TrainRequest request;
    for (uint64_t number = 0; number <= messages_ && stream->Read(&request);
         ++number) {
      v1::TrainResponse response;
      response.set_message_number(number);
      response.set_message_done(true);
      if (number > 0) {
        response.set_base_step((number - 1) * kWay.samples_per_message);
        response.set_step(number * kWay.samples_per_message);
      }
      stream->Write(response);
    }
    while (!context->IsCancelled()) std::this_thread::sleep_for(kGlance);
    return grpc::Status::CANCELLED;
  }

 private:
  const uint64_t messages_;
};

// The calls of an opening, in their order.
enum class Opening { kSession, kStream, kWeights };

// Does not answer one of them until it is cancelled.
class DoesNotOpen : public FallsSilent {
 public:
  explicit DoesNotOpen(Opening silent) : FallsSilent(0), silent_(silent) {}

  grpc::Status GetSession(grpc::ServerContext* context,
                          const v1::GetSessionRequest* request,
                          v1::GetSessionResponse* response) override {
    return silent_ == Opening::kSession
               ? Wait(context)
               : FallsSilent::GetSession(context, request, response);
  }
  grpc::Status Train(grpc::ServerContext* context, Stream* stream) override {
    return silent_ == Opening::kStream ? Wait(context)
                                       : FallsSilent::Train(context, stream);
  }
  grpc::Status GetWeights(
      grpc::ServerContext* context, const v1::GetWeightsRequest* /*request*/,
      grpc::ServerWriter<v1::GetWeightsResponse>* /*chunks*/) override {
    return Wait(context);
  }

  std::promise<void> called;  // the call that is not answered

 private:
  grpc::Status Wait(grpc::ServerContext* context) {
    called.set_value();
    while (!context->IsCancelled()) std::this_thread::sleep_for(kGlance);
    return grpc::Status::CANCELLED;
  }

  const Opening silent_;
};

// A run whose warm-up ends with the first answer, and which ends with the
// second.
class BenchStopTest : public ::testing::Test {
 protected:
  void Open(uint64_t messages) {
    service_ = std::make_unique<FallsSilent>(messages);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    client_ = std::make_unique<TrainingClient>(server_->InProcessChannel({}));
    const v1::Session session = testing::SessionMessage(1, {1});
    auto run = BenchRun::Open(
        *client_, session, kWay,
        RandomSamples(session.spec(), kWay.samples_per_message, 1),
        Clock::duration(0));
    ASSERT_TRUE(run.ok()) << run.status();
    run_ = *std::move(run);
  }

  // Looks at it now and then, as the command does.
  BenchProgress End() {
    const Clock::time_point late = Clock::now() + kPatience;
    BenchProgress now;
    while (!now.ended && Clock::now() < late) now = run_->Wait(kGlance);
    EXPECT_TRUE(now.ended);
    return now;
  }

  std::unique_ptr<FallsSilent> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<TrainingClient> client_;
  std::unique_ptr<BenchRun> run_;
};

TEST_F(BenchStopTest, WhatIsNotAnsweredAfterTheEndIsCut) {
  ASSERT_NO_FATAL_FAILURE(Open(2));
  const BenchProgress end = End();
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_TRUE(end.cut);
  EXPECT_EQ(run_->figures().measured.samples, kWay.samples_per_message);
}

TEST_F(BenchStopTest, StopEndsWhatHasNotBeenMeasured) {
  ASSERT_NO_FATAL_FAILURE(Open(0));
  EXPECT_FALSE(run_->Wait(kGlance).ended);
  run_->Stop();
  EXPECT_EQ(End().status, absl::CancelledError("interrupted"));
}

TEST(BenchOpenTest, AnOpeningThatIsNotAnsweredCanBeCancelled) {
  for (const Opening silent :
       {Opening::kSession, Opening::kStream, Opening::kWeights}) {
    DoesNotOpen service(silent);
    grpc::ServerBuilder builder;
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    TrainingClient client(server->InProcessChannel({}));
    const v1::Session session = testing::SessionMessage(1, {1});
    Cancellation cancellation;
    auto opening = std::async(std::launch::async, [&] {
      return BenchRun::Open(client, session, {.samples_per_message = 1},
                            RandomSamples(session.spec(), 1, 1),
                            Clock::duration(0), &cancellation)
          .status();
    });
    ASSERT_EQ(service.called.get_future().wait_for(kPatience),
              std::future_status::ready);
    cancellation.Cancel();
    if (opening.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "it still waits";
      server->Shutdown(std::chrono::system_clock::now());
    }
    EXPECT_EQ(opening.get().code(), absl::StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace backprop::cli
