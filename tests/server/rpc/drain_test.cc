// SPDX-License-Identifier: Apache-2.0
//
// How a server ends: in grace first, then for good, whoever hangs on to it.
#include <grpcpp/generic/generic_stub.h>

#include <chrono>
#include <thread>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "tests/server/service_fixture.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using std::chrono::seconds;

class DrainTest : public ServiceTest {};

TEST_F(DrainTest, InItsGraceAServerServesButReportsThatItDoesNot) {
  constexpr int kNotServing = 2;
  StartWith([](auto& o) { o.drain_seconds = 2; });
  EXPECT_TRUE(server().ready());
  std::thread drain([this] { server().Drain(); });
  EXPECT_TRUE(Eventually([this] { return !server().ready(); }));
  grpc::Status status;
  EXPECT_TRUE(Eventually([&] { return Health("", &status) == kNotServing; }));
  EXPECT_EQ(Health("backprop.v1.TrainingService", &status), kNotServing);
  const v1::Session session = Create(Spec(3, {2}));
  std::mt19937 random(1);
  TrainCall call(stub(), session.session_id());
  EXPECT_EQ(call.Exchange(RandomSamples(session, 2, random)).step(), 2u);
  EXPECT_FALSE(server().ready());
  const auto goodbye = call.Read();
  ASSERT_TRUE(goodbye.has_value());
  EXPECT_TRUE(goodbye->goodbye());
  EXPECT_TRUE(call.Finish().ok());
  drain.join();
  EXPECT_EQ(TryCreate(Spec(3, {2})).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DrainTest, CallsThatHangAreCutOff) {
  // 48 MB: more than a connection takes in unread.
  const v1::Session session = Create(Spec(4000, {3000}));
  grpc::ClientContext evaluate_context;
  v1::EvaluateResponse evaluated;
  const auto evaluate = stub().Evaluate(&evaluate_context, &evaluated);
  evaluate->Write(For<v1::EvaluateRequest>(session));

  grpc::ClientContext weights_context;
  auto request = For<v1::GetWeightsRequest>(session);
  const auto weights = stub().GetWeights(&weights_context, request);
  v1::GetWeightsResponse chunk;
  EXPECT_TRUE(weights->Read(&chunk));

  TrainCall unopened(stub());

  grpc::ClientContext reflection_context;
  const auto reflection =
      grpc::reflection::v1::ServerReflection::NewStub(channel())
          ->ServerReflectionInfo(&reflection_context);
  reflection->Write(grpc::reflection::v1::ServerReflectionRequest());

  grpc::ClientContext watch_context;
  grpc::CompletionQueue queue;
  const auto watch = grpc::GenericStub(channel()).PrepareCall(
      &watch_context, "/grpc.health.v1.Health/Watch", &queue);
  watch->StartCall(nullptr);

  EXPECT_TRUE(Eventually([&] {
    return Metric("grpc_server_started_total{grpc_method=\"Train\"") == 1 &&
           Metric("grpc_server_started_total{grpc_method=\"Evaluate\"") == 1;
  }));
  const auto begin = std::chrono::steady_clock::now();
  server().Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(8));
  EXPECT_FALSE(evaluate->Finish().ok());
  while (weights->Read(&chunk)) {
  }
  EXPECT_FALSE(weights->Finish().ok());
  EXPECT_THAT(unopened.Finish(),
              Fails(grpc::StatusCode::UNAVAILABLE, "SHUTTING_DOWN"));
  reflection_context.TryCancel();
  reflection->Finish();
  watch_context.TryCancel();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) {
  }
}

TEST_F(DrainTest, AnIdleServerDrainsAtOnce) {
  Create(Spec(3, {2}));
  const auto begin = std::chrono::steady_clock::now();
  server().Drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(3));
  server().Drain();  // nothing more to do
}

}  // namespace
}  // namespace backprop::testing
