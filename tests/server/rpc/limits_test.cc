// SPDX-License-Identifier: Apache-2.0
//
// Requests that are many or large: taken in turns, or refused in time.
#include <atomic>
#include <set>
#include <thread>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

class LimitsTest : public TransportTest {
 protected:
  static v1::SessionSpec Bytes784(std::initializer_list<uint32_t> sizes) {
    return With(Spec(784, sizes), kScaledBytes);
  }

  grpc::Status Predict(const std::string& id, const std::string& inputs,
                       v1::PredictResponse* response) {
    auto request = For<v1::PredictRequest>(id);
    request.set_inputs(inputs);
    return Call(&Stub::Predict, request, response);
  }

  grpc::Status Evaluate(const std::string& id, const v1::TrainRequest& samples,
                        size_t messages, v1::EvaluateResponse* response) {
    std::vector<v1::EvaluateRequest> requests(messages,
                                              EvaluationOf("", samples));
    requests.front().set_session_id(id);
    return EvaluateAll(requests, response);
  }
};
BACKPROP_OVER_BOTH_TRANSPORTS(LimitsTest);

TEST_P(LimitsTest, CallsBeyondTheQueueAreRefusedUntilThereIsRoom) {
  StartWith([](auto& o) {
    o.compute_threads = 1;
    o.max_pending_calls = 1;
  });
  const std::string heavy = Create(Bytes784({1024, 1024, 10})).session_id();
  const std::string light = Create(Spec(1, {1})).session_id();
  std::atomic<bool> done = false;
  std::thread caller([&] {  // some 20 billion operations
    v1::PredictResponse response;
    grpc::Status status;
    do {  // refused itself while a light call has the one place
      status = Predict(heavy, std::string(784 * 5'000, 'x'), &response);
    } while (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.outputs_size(), 50'000);
    done = true;
  });
  EXPECT_TRUE(
      Eventually([&] { return Metric("backprop_queued_bytes ") > 0 || done; }));
  grpc::Status refused;
  EXPECT_TRUE(Eventually([&] {
    v1::PredictResponse response;
    const grpc::Status status = Predict(light, Bytes({1}), &response);
    if (!status.ok()) refused = status;
    return !status.ok() || done;
  }));
  caller.join();
  EXPECT_THAT(refused,
              Fails(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_LIMIT"));
  v1::PredictResponse response;
  EXPECT_TRUE(Predict(light, Bytes({1}), &response).ok());
  EXPECT_GE(Metric("backprop_rejections_total{reason=\"QUEUE_LIMIT\"}"), 1);
}

TEST_P(LimitsTest, ARequestAboveEveryLimitIsRefused) {
  StartWith([](auto& o) { o.max_message_bytes = 100'000; });
  const std::string id = Create(Spec(1, {1})).session_id();
  v1::PredictResponse response;
  // On a socket gRPC refuses it, else the bytes that may wait are too few.
  EXPECT_EQ(Predict(id, std::string(2'000'000, '\0'), &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Predict(id, std::string(400, '\0'), &response).ok());
}

TEST_P(LimitsTest, ManyRowsArePredictedAsOneByOne) {
  const v1::Session session = Create(Bytes784({32, 10}));
  std::mt19937 random(3);
  constexpr size_t kRows = 1500;  // several turns
  const std::string inputs = RandomSamples(session, kRows, random).inputs();
  v1::PredictResponse all;
  ASSERT_TRUE(Predict(session.session_id(), inputs, &all).ok());
  ASSERT_EQ(all.outputs_size(), static_cast<int>(kRows * 10));
  for (size_t row = 0; row < kRows; row += 149) {
    v1::PredictResponse one;
    ASSERT_TRUE(
        Predict(session.session_id(), inputs.substr(row * 784, 784), &one)
            .ok());
    for (int i = 0; i < 10; ++i) {
      EXPECT_NEAR(one.outputs(i), all.outputs(static_cast<int>(row) * 10 + i),
                  1e-4)
          << "row " << row;
    }
  }
}

TEST_P(LimitsTest, ManySamplesAreEvaluatedAsTheirOutputsSay) {
  const v1::Session session = Create(Bytes784({32, 10}));
  std::mt19937 random(3);
  constexpr size_t kSamples = 1500;  // several turns
  const v1::TrainRequest samples = RandomSamples(session, kSamples, random);
  v1::PredictResponse outputs;
  ASSERT_TRUE(Predict(session.session_id(), samples.inputs(), &outputs).ok());
  const std::vector<float> targets = Floats(samples.targets());
  double error = 0;
  double correct = 0;
  for (size_t s = 0; s < kSamples; ++s) {
    const float* const y = outputs.outputs().data() + s * 10;
    const float* const d = targets.data() + s * 10;
    for (size_t i = 0; i < 10; ++i) {
      error += 0.5 * (d[i] - y[i]) * (d[i] - y[i]);
    }
    if (std::max_element(y, y + 10) - y == std::max_element(d, d + 10) - d) {
      ++correct;
    }
  }
  v1::EvaluateResponse response;
  ASSERT_TRUE(Evaluate(session.session_id(), samples, 2, &response).ok());
  EXPECT_EQ(response.samples(), 2 * kSamples);
  EXPECT_NEAR(response.error(), error / kSamples, 1e-3);
  EXPECT_DOUBLE_EQ(response.accuracy(), correct / kSamples);
}

TEST_P(LimitsTest, EvaluationNamesTheStepsItSaw) {
  const v1::Session session = Create(Spec(3, {2}));
  std::mt19937 random(3);
  const v1::TrainRequest samples = RandomSamples(session, 4, random);
  grpc::ClientContext context;
  v1::EvaluateResponse response;
  const auto writer = stub().Evaluate(&context, &response);
  v1::EvaluateRequest request = EvaluationOf(session.session_id(), samples);
  writer->Write(request);
  const std::string taken =
      "grpc_server_msg_received_total{grpc_method=\"Evaluate\"";
  EXPECT_TRUE(Eventually([&] {
    return Metric(taken) == 1 && Metric("backprop_queued_bytes ") == 0;
  }));
  TrainCall call(stub(), session.session_id());
  EXPECT_EQ(call.Exchange(samples).step(), 4u);
  request.clear_session_id();
  writer->Write(request);
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(response.samples(), 8u);
  EXPECT_EQ(response.first_step(), 0u);
  EXPECT_EQ(response.last_step(), 4u);
}

TEST_P(LimitsTest, EvaluationsThatBreakOffLeaveNothingBehind) {
  const v1::Session session = Create(Spec(64, {32, 10}));
  std::mt19937 random(3);
  const v1::TrainRequest samples = RandomSamples(session, 500, random);
  for (int i = 0; i < 50; ++i) {
    grpc::ClientContext context;
    v1::EvaluateResponse response;
    const auto writer = stub().Evaluate(&context, &response);
    v1::EvaluateRequest request = EvaluationOf(session.session_id(), samples);
    for (int j = 0; j < i % 4; ++j) {
      writer->Write(request);
      request.clear_session_id();
    }
    context.TryCancel();
    EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  const std::string method = "{grpc_method=\"Evaluate\"";
  EXPECT_TRUE(Eventually([&] {
    return Metric("backprop_queued_bytes ") == 0 &&
           Metric("grpc_server_started_total" + method) ==
               Metric("grpc_server_handling_seconds_count" + method);
  }));
  v1::EvaluateResponse response;
  EXPECT_TRUE(Evaluate(session.session_id(), samples, 1, &response).ok());
}

TEST_P(LimitsTest, GivenWeightsOfManyMegabytesArrive) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = Spec(2000, {1500});
  std::vector<float> given(2001u * 1500);
  for (size_t i = 0; i < given.size(); ++i) {
    given[i] = static_cast<float>(i % 1000) / 1000;
  }
  request.mutable_initial()->set_weights(Bytes(given));
  EXPECT_EQ(Weights(Create(request)), given);
}

// It was refused because its answer would be long, as if waiting could help.
TEST_P(LimitsTest, ANetOfTooManyLayersHearsTheirLimit) {
  StartWith([](auto& o) {  // room for 20 MB of answers
    o.max_message_bytes = 1'000'000;
    o.max_session_weights = 1000;
  });
  v1::CreateSessionRequest request;
  request.mutable_spec()->set_input_size(1);
  for (int i = 0; i < 400'000; ++i) request.mutable_spec()->add_layers();
  const grpc::Status status = Try(&Stub::CreateSession, request);
  EXPECT_THAT(status, IsInvalid(::testing::Contains("spec.layers")));
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("at most 1024"));
}

TEST_P(LimitsTest, APageOfDeepNetsEndsEarly) {
  v1::SessionSpec deep = Spec(1, {1});
  while (deep.layers_size() < 1024) deep.add_layers()->set_size(1);
  std::set<std::string> made;
  for (int i = 0; i < 60; ++i) made.insert(Create(deep).session_id());
  std::vector<std::string> listed;
  v1::ListSessionsRequest request;
  request.set_page_size(1000);
  int pages = 0;
  do {
    const auto response = Ask(&Stub::ListSessions, request);
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    for (const v1::Session& session : response.sessions()) {
      listed.push_back(session.session_id());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && ++pages < 100);
  EXPECT_GT(pages, 0);
  EXPECT_THAT(listed, ::testing::ElementsAreArray(made));
}

}  // namespace
}  // namespace backprop::testing
