// SPDX-License-Identifier: Apache-2.0
//
// GetWeights: one step's weights, whatever else goes on.
#include <xxhash.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

class SnapshotTest : public ServiceTest {
 protected:
  // A call that has been answered its first chunk.
  struct Reading {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::GetWeightsResponse>> reader;
    v1::GetWeightsResponse chunk;
  };

  std::unique_ptr<Reading> Begin(const std::string& session_id) {
    auto reading = std::make_unique<Reading>();
    auto request = For<v1::GetWeightsRequest>(session_id);
    reading->reader = stub().GetWeights(&reading->context, request);
    EXPECT_TRUE(reading->reader->Read(&reading->chunk));
    return reading;
  }

  grpc::Status TryWeights(const std::string& session_id) {
    grpc::ClientContext context;
    auto request = For<v1::GetWeightsRequest>(session_id);
    const auto reader = stub().GetWeights(&context, request);
    for (v1::GetWeightsResponse chunk; reader->Read(&chunk);) {
    }
    return reader->Finish();
  }

  // 48 MB: more than a connection takes in unread.
  static v1::SessionSpec LargeSpec() { return Spec(4000, {3000}); }
};

TEST_F(SnapshotTest, AnAnchorTakenDuringTrainingIsOfOneStep) {
  const v1::Session session =
      Create(With(Spec(300, {300, 4}),  // two chunks
                  "digest_every: 1 optimiser {learning_rate: 1e-4}"));
  ASSERT_GT(session.layout().weight_count(), 65'536u);
  std::map<uint64_t, uint64_t> digest_after;  // step → digest, from the stream
  std::atomic<bool> stop = false;
  std::thread trainer([&] {
    std::mt19937 random(2);
    TrainCall call(stub(), session.session_id());
    while (!stop) {
      const auto answer = call.Exchange(RandomSamples(session, 10, random));
      EXPECT_FALSE(answer.has_rejection());
      for (const v1::StepDigest& digest : answer.digests()) {
        digest_after[digest.step()] = digest.digest();
      }
    }
    EXPECT_TRUE(call.Finish().ok());
  });
  std::vector<v1::GetWeightsResponse> ends;
  EXPECT_TRUE(Eventually([&] { return Get(session).step() > 0; }));
  for (int i = 0; i < 20; ++i) {
    v1::GetWeightsResponse end;
    const std::vector<float> weights = Weights(session, &end);
    EXPECT_EQ(XXH3_64bits(weights.data(), weights.size() * sizeof(float)),
              end.digest());
    EXPECT_EQ(end.next_offset(), end.step());
    ends.push_back(end);
  }
  EXPECT_TRUE(
      Eventually([&] { return Get(session).step() > ends.back().step(); }));
  stop = true;
  trainer.join();
  EXPECT_LT(ends.front().step(), ends.back().step()) << "nobody trained";
  for (const v1::GetWeightsResponse& end : ends) {
    EXPECT_EQ(digest_after.at(end.step()), end.digest())
        << "step " << end.step();
  }
}

TEST_F(SnapshotTest, ASessionMayBeDeletedWhileItsWeightsAreSent) {
  const v1::Session session = Create(LargeSpec());
  const auto reading = Begin(session.session_id());
  ASSERT_TRUE(Delete(session).ok());
  uint64_t received = reading->chunk.weights().size();
  while (reading->reader->Read(&reading->chunk)) {
    received += reading->chunk.weights().size();
  }
  EXPECT_TRUE(reading->reader->Finish().ok());
  EXPECT_EQ(received, session.layout().weight_count() * sizeof(float));
}

TEST_F(SnapshotTest, CopiesAreLimitedAndFreedWhenTheirClientsGo) {
  StartWith([](auto& o) { o.max_total_weights = 15'000'000; });
  const std::string id = Create(LargeSpec()).session_id();
  {
    const auto reading = Begin(id);
    EXPECT_THAT(TryWeights(id),
                Fails(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_LIMIT"));
    reading->context.TryCancel();
    EXPECT_EQ(reading->reader->Finish().error_code(),
              grpc::StatusCode::CANCELLED);
  }
  EXPECT_TRUE(Eventually([&] { return TryWeights(id).ok(); }));
  EXPECT_TRUE(Eventually([&] { return TryWeights(id).ok(); }))
      << "a call that ends well frees its copy too";
}

TEST_F(SnapshotTest, ClientsThatVanishLeaveNothingBehind) {
  StartWith([](auto& o) { o.max_pending_calls = 50; });
  const std::string id = Create(LargeSpec()).session_id();
  for (int i = 0; i < 100; ++i) {
    grpc::ClientContext context;
    auto request = For<v1::GetWeightsRequest>(id);
    const auto reader = stub().GetWeights(&context, request);
    v1::GetWeightsResponse chunk;
    for (int j = 0; j < i % 3; ++j) reader->Read(&chunk);
    context.TryCancel();
    reader->Finish();
  }
  EXPECT_TRUE(Eventually([&] { return TryWeights(id).ok(); }));
  EXPECT_TRUE(Eventually([&] {
    return Metric("grpc_server_started_total{grpc_method=\"GetWeights\"") ==
           Metric(
               "grpc_server_handling_seconds_count{"
               "grpc_method=\"GetWeights\"");
  }));
}

}  // namespace
}  // namespace backprop::testing
