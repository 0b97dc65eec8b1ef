// SPDX-License-Identifier: Apache-2.0
//
// TrainStep, Predict, Evaluate, GetWeights.
#include <cmath>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;
using ::testing::Not;

// y = 2·x₀ − x₁ + ½, learning rate 0.5: everything can be worked out by hand.
class OtherRpcTest : public ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    v1::CreateSessionRequest request;
    *request.mutable_spec() =
        With(Spec(2, {1}), "optimiser {learning_rate: 0.5} input {scale: 10}");
    request.mutable_initial()->set_weights(Bytes({2, -1, 0.5F}));
    id_ = Create(request).session_id();
  }

  v1::TrainStepRequest Step(std::initializer_list<float> inputs,
                            std::initializer_list<float> targets) {
    auto request = For<v1::TrainStepRequest>(id_);
    v1::Sample* sample = request.add_samples();
    sample->mutable_inputs()->Add(inputs.begin(), inputs.end());
    sample->mutable_targets()->Add(targets.begin(), targets.end());
    return request;
  }

  std::string id_;
};

TEST_F(OtherRpcTest, TrainStepReturnsErrorOutputsAndTheWholeDelta) {
  const auto response = Ask(&Stub::TrainStep, Step({1, 3}, {1.5F}));
  // y = 2 − 3 + ½ = −½; δ = y − d = −2; E = 2; ΔW = −½·(−2)·x = x.
  EXPECT_EQ(response.step(), 1u);
  EXPECT_FLOAT_EQ(response.error(), 2);
  EXPECT_THAT(response.outputs(), ElementsAre(FloatEq(-0.5F)));
  ASSERT_EQ(response.deltas_size(), 1);
  EXPECT_THAT(response.deltas(0).weights(), ElementsAre(1, 3));
  EXPECT_THAT(response.deltas(0).bias(), ElementsAre(1));
  v1::GetWeightsResponse end;
  EXPECT_THAT(Weights(id_, &end), ElementsAre(3, 2, 1.5F));
  EXPECT_EQ(response.digest(), end.digest());
  EXPECT_EQ(end.step(), 1u);
  EXPECT_EQ(end.next_offset(), 1u);
}

TEST_F(OtherRpcTest, TrainStepTakesAClassInPlaceOfTargets) {
  v1::TrainStepRequest request = Step({1, 3}, {});
  request.mutable_samples(0)->set_class_number(0);
  const auto response = Ask(&Stub::TrainStep, request);
  EXPECT_FLOAT_EQ(response.error(), 1.125F);  // ½·(1 + ½)²
}

TEST_F(OtherRpcTest, BadStepsAreRefusedAndChangeNothing) {
  struct Bad {
    const char* field;
    v1::TrainStepRequest request;
  };
  v1::TrainStepRequest both = Step({1, 3}, {1});
  both.mutable_samples(0)->set_class_number(0);
  v1::TrainStepRequest beyond = Step({1, 3}, {});
  beyond.mutable_samples(0)->set_class_number(1);
  v1::TrainStepRequest two = Step({1, 3}, {1});
  *two.add_samples() = two.samples(0);
  v1::TrainStepRequest none = Step({1, 3}, {1});
  none.clear_samples();
  const std::vector<Bad> bad = {
      {"samples[0].inputs", Step({1}, {1})},
      {"samples[0].inputs", Step({1, 2, 3}, {1})},
      {"samples[0].inputs[1]", Step({1, NAN}, {1})},
      {"samples[0].inputs[0]", Step({INFINITY, 1}, {1})},
      {"samples[0].targets", Step({1, 3}, {})},
      {"samples[0].targets", Step({1, 3}, {1, 2})},
      {"samples[0].targets[0]", Step({1, 3}, {NAN})},
      {"samples[0].targets", both},
      {"samples[0].class_number", beyond},
      {"samples", two},
      {"samples", none},
  };
  const uint64_t digest = Digest(id_);
  for (const Bad& entry : bad) {
    EXPECT_THAT(Try(&Stub::TrainStep, entry.request),
                IsInvalid(ElementsAre(entry.field)));
  }
  EXPECT_EQ(Digest(id_), digest);
}

TEST_F(OtherRpcTest, ANonFiniteStepIsRefusedAndChangesNothing) {
  const uint64_t digest = Digest(id_);
  EXPECT_THAT(Try(&Stub::TrainStep, Step({1, 3}, {3e38F})),
              Fails(grpc::StatusCode::FAILED_PRECONDITION, "NON_FINITE_STEP"));
  EXPECT_EQ(Digest(id_), digest);
  EXPECT_EQ(Get(id_).step(), 0u);
}

TEST_F(OtherRpcTest, PredictScalesBytesButNotValues) {
  auto response = Ask(  // ·10: (1, 3), (2, 0)
      &Stub::Predict, PredictionOf(id_, {0.1F, 0.3F, 0.2F, 0.0F}));
  EXPECT_THAT(response.outputs(), ElementsAre(FloatEq(-0.5F), FloatEq(4.5F)));
  EXPECT_EQ(response.step(), 0u);
  response =
      Ask(&Stub::Predict, For<v1::PredictRequest>(id_, "values: [1, 3]"));
  EXPECT_THAT(response.outputs(), ElementsAre(FloatEq(-0.5F)));
}

TEST_F(OtherRpcTest, BadPredictionsNameTheField) {
  const struct {
    const char* field;
    const char* request;
  } bad[] = {
      {"inputs", ""},
      {"inputs", "inputs: '01234567' values: [1, 2]"},
      {"inputs", "inputs: '123'"},
      {"values", "values: 1"},
      {"values[1]", "values: [1, nan]"},
  };
  for (const auto& entry : bad) {
    EXPECT_THAT(
        Try(&Stub::Predict, For<v1::PredictRequest>(id_, entry.request)),
        IsInvalid(Contains(entry.field)))
        << entry.request;
  }
  EXPECT_THAT(Try(&Stub::Predict, PredictionOf(id_, {1, NAN})),
              IsInvalid(Contains("inputs")));
}

TEST_F(OtherRpcTest, EvaluateAddsUpOverMessages) {
  // Outputs −½ and 4½; targets 0 (below ½: right) and 0 (wrong).
  v1::EvaluateResponse response;
  ASSERT_TRUE(EvaluateAll({EvaluationOf(id_, {0.1F, 0.3F}, {0}),
                           EvaluationOf("", {0.2F, 0.0F}, {0})},
                          &response)
                  .ok());
  EXPECT_EQ(response.samples(), 2u);
  EXPECT_NEAR(response.error(), (0.125 + 10.125) / 2, 1e-5);
  EXPECT_DOUBLE_EQ(response.accuracy(), 0.5);
  EXPECT_EQ(response.first_step(), 0u);
  EXPECT_EQ(response.last_step(), 0u);
  EXPECT_EQ(Get(id_).next_offset(), 0u);
}

TEST_F(OtherRpcTest, EvaluateMayOpenWithoutSamples) {
  auto opening = For<v1::EvaluateRequest>(id_);
  v1::EvaluateResponse response;
  ASSERT_TRUE(
      EvaluateAll({opening, EvaluationOf("", {0.1F, 0.3F}, {0})}, &response)
          .ok());
  EXPECT_EQ(response.samples(), 1u);
}

TEST_F(OtherRpcTest, ABadMessageEndsEvaluate) {
  v1::EvaluateResponse response;
  auto opening = For<v1::EvaluateRequest>(id_);
  const std::vector<std::vector<v1::EvaluateRequest>> bad = {
      {},
      {opening},
      {EvaluationOf("", {0.1F, 0.3F}, {0})},
      {EvaluationOf(id_, {0.1F}, {0})},
      {EvaluationOf(id_, {0.1F, 0.3F}, {0, 1})},
      {EvaluationOf(id_, {0.1F, NAN}, {0})},
      {EvaluationOf(id_, {0.1F, 0.3F}, {0}),
       EvaluationOf(id_, {0.1F, 0.3F}, {0})},
      {EvaluationOf(id_, {0.1F, 0.3F}, {0}),
       EvaluationOf("", {0.1F, 0.3F}, {})},
      {EvaluationOf(id_, {0.1F, 0.3F}, {0}),
       EvaluationOf("\xff", {0.1F, 0.3F}, {0})},
  };
  for (const auto& requests : bad) {
    EXPECT_THAT(EvaluateAll(requests, &response), IsInvalid(Not(IsEmpty())))
        << requests.size();
  }
  EXPECT_EQ(
      Reason(EvaluateAll({EvaluationOf("nobody", {1, 2}, {0})}, &response)),
      "SESSION_NOT_FOUND");
}

TEST_F(OtherRpcTest, WeightsComeInChunksOfOneStep) {
  const v1::Session session = Create(Spec(2000, {600}));
  grpc::ClientContext context;
  auto request = For<v1::GetWeightsRequest>(session);
  const auto reader = stub().GetWeights(&context, request);
  size_t chunks = 0;
  uint64_t next = 0;
  for (v1::GetWeightsResponse chunk; reader->Read(&chunk); ++chunks) {
    EXPECT_EQ(chunk.first_weight(), next);
    EXPECT_EQ(chunk.weight_count(), 2001u * 600);
    EXPECT_LE(chunk.ByteSizeLong(), size_t{4} << 20);
    next += chunk.weights().size() / sizeof(float);
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(next, 2001u * 600);
  EXPECT_GT(chunks, 1u);
}

TEST_F(OtherRpcTest, WeightsOfAnUnknownSessionAreNotFound) {
  for (const char* id : {"", "nobody"}) {
    grpc::ClientContext context;
    auto request = For<v1::GetWeightsRequest>(id);
    const auto reader = stub().GetWeights(&context, request);
    v1::GetWeightsResponse chunk;
    EXPECT_FALSE(reader->Read(&chunk));
    EXPECT_EQ(Reason(reader->Finish()),
              *id == '\0' ? "INVALID_REQUEST" : "SESSION_NOT_FOUND");
  }
}

// Small requests whose answers or scratch memory would be terabytes.
TEST_F(OtherRpcTest, SmallRequestsForHugeWorkAreRefused) {
  const v1::Session wide = Create(
      With(Spec(1, {1u << 20}), "input {element_type: ELEMENT_TYPE_UINT8}"));
  auto predict = For<v1::PredictRequest>(wide);
  predict.set_inputs(std::string(1 << 20, 'x'));  // 2^40 outputs
  const grpc::Status status = Try(&Stub::Predict, predict);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);

  v1::SessionSpec batch = Spec(1, {1u << 20, 1});
  batch.set_batch_size(1u << 20);  // 2^40 activations a step
  EXPECT_EQ(TryCreate(batch).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace backprop::testing
