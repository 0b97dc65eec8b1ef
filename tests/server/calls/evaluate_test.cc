// SPDX-License-Identifier: Apache-2.0
//
// What Evaluate's errors are: the session's loss, as PyTorch computes it and as
// steps report it, and the loss without its settings.
#include <google/protobuf/descriptor.h>

#include "tests/engine/golden_cases.h"
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"

namespace backprop::testing {
namespace {

class EvaluateTest : public ServiceTest {
 protected:
  v1::EvaluateResponse Evaluate(const v1::EvaluateRequest& request) {
    v1::EvaluateResponse response;
    const grpc::Status status = EvaluateAll({request}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

// golden: of evaluations.txt; make_evaluation_golden.py says what it holds.
v1::CreateSessionRequest SessionOf(const GoldenCase& golden) {
  v1::CreateSessionRequest request;
  v1::SessionSpec& spec = *request.mutable_spec();
  spec = Spec(4, {3});
  spec.set_loss(golden.names[0] == "cross_entropy"
                    ? v1::LOSS_CROSS_ENTROPY
                    : v1::LOSS_BINARY_CROSS_ENTROPY);
  for (const float epsilon : golden.floats("label_smoothing")) {
    spec.set_label_smoothing(epsilon);
  }
  for (const float c : golden.floats("class_weights")) {
    spec.add_class_weights(c);
  }
  request.mutable_initial()->set_weights(Bytes(golden.floats("weights")));
  return request;
}

TEST_F(EvaluateTest, ErrorsArePyTorchs) {
  const std::vector<GoldenCase> cases = ReadGoldenCases("evaluations.txt");
  ASSERT_EQ(cases.size(), 7u);
  for (const GoldenCase& golden : cases) {
    const auto created = Ask(&Stub::CreateSession, SessionOf(golden));
    auto request =
        EvaluationOf(created.session().session_id(), golden.floats("inputs"),
                     golden.floats("targets"));
    for (const float number : golden.floats("classes")) {
      request.add_classes(static_cast<uint32_t>(number));
    }
    const v1::EvaluateResponse response = Evaluate(request);
    EXPECT_EQ(response.samples(), 6u);
    EXPECT_NEAR(response.error(), golden.lines.at("error")[0], 2e-6)
        << created.session().spec().ShortDebugString();
    EXPECT_NEAR(response.plain_error(), golden.lines.at("plain_error")[0], 2e-6)
        << created.session().spec().ShortDebugString();
  }
}

// Every loss, with all that it and the optimiser have to set, and a net in
// which nothing is 0.
std::vector<v1::SessionSpec> EveryLoss(uint32_t batch_size) {
  std::vector<v1::SessionSpec> specs;
  for (int i = 0; i < v1::Loss_descriptor()->value_count(); ++i) {
    const auto loss =
        static_cast<v1::Loss>(v1::Loss_descriptor()->value(i)->number());
    if (loss == v1::LOSS_UNSPECIFIED) continue;
    v1::SessionSpec spec = With(
        Spec(3, {5, 3}), "optimiser {l2: 0.5 l1: 0.25 decoupled_decay: 0.125}");
    spec.set_loss(loss);
    spec.set_batch_size(batch_size);
    if (loss == v1::LOSS_HUBER) spec.set_huber_delta(0.3F);
    if (loss == v1::LOSS_CROSS_ENTROPY) spec.set_label_smoothing(0.2F);
    if (loss == v1::LOSS_CROSS_ENTROPY ||
        loss == v1::LOSS_BINARY_CROSS_ENTROPY) {
      for (const float c : {0.5F, 2.0F, 1.0F}) spec.add_class_weights(c);
      specs.push_back(spec);
      spec.mutable_layers(1)->set_activation(loss == v1::LOSS_CROSS_ENTROPY
                                                 ? v1::ACTIVATION_SOFTMAX
                                                 : v1::ACTIVATION_SIGMOID);
    }
    specs.push_back(spec);
  }
  return specs;
}

TEST_F(EvaluateTest, OneSamplesErrorIsWhatAStepOnItReports) {
  const std::vector<v1::SessionSpec> specs = EveryLoss(1);
  ASSERT_GE(specs.size(), 8u);
  for (const v1::SessionSpec& spec : specs) {
    const std::string id = Create(spec).session_id();
    for (int step = 0; step < 5; ++step) {
      const auto x = static_cast<float>(step);
      auto train =
          For<v1::TrainStepRequest>(id, "samples {targets: [0.25, 0, 0.75]}");
      for (const float input : {x, 1 - x, 0.5F}) {
        train.mutable_samples(0)->add_inputs(input);
      }
      const v1::EvaluateResponse evaluated =
          Evaluate(EvaluationOf(id, {x, 1 - x, 0.5F}, {0.25F, 0, 0.75F}));
      const auto trained = Ask(&Stub::TrainStep, train);
      EXPECT_NEAR(evaluated.error(), trained.error(),
                  1e-6 * (1 + trained.error()))
          << spec.ShortDebugString();
    }
  }
}

TEST_F(EvaluateTest, AStepsSamplesTogetherHaveItsError) {
  std::mt19937 random(3);
  for (const v1::SessionSpec& spec : EveryLoss(4)) {
    const v1::Session session = Create(spec);
    v1::TrainRequest samples = RandomSamples(session, 4, random);
    samples.clear_targets();
    for (const uint32_t number : {2, 0, 1, 0}) samples.add_classes(number);
    auto evaluate = For<v1::EvaluateRequest>(session);
    evaluate.set_inputs(samples.inputs());
    *evaluate.mutable_classes() = samples.classes();
    const v1::EvaluateResponse evaluated = Evaluate(evaluate);
    TrainCall call(stub(), session.session_id());
    const v1::TrainResponse trained = call.Exchange(samples);
    ASSERT_EQ(trained.errors_size(), 1);
    EXPECT_NEAR(evaluated.error(), trained.errors(0),
                1e-6 * (1 + trained.errors(0)))
        << spec.ShortDebugString();
  }
}

// Where the settings of a live session change, so does the error, and the plain
// one doesn't.
TEST_F(EvaluateTest, ThePlainErrorKnowsNoSettings) {
  const auto bare = [](v1::SessionSpec spec) {
    spec.clear_label_smoothing();
    spec.clear_class_weights();
    return spec;
  };
  std::mt19937 random(4);
  for (const v1::SessionSpec& spec : EveryLoss(1)) {
    const v1::Session session = Create(spec);
    const std::string plain = Create(bare(spec)).session_id();
    auto request = For<v1::EvaluateRequest>(session);
    request.set_inputs(RandomSamples(session, 9, random).inputs());
    for (uint32_t i = 0; i < 9; ++i) request.add_classes(i % 2);
    const v1::EvaluateResponse with = Evaluate(request);
    request.set_session_id(plain);
    const v1::EvaluateResponse without = Evaluate(request);
    EXPECT_EQ(with.plain_error(), without.error()) << spec.ShortDebugString();
    EXPECT_EQ(without.plain_error(), without.error());
    if (spec.class_weights_size() > 0) {
      EXPECT_GT(std::abs(with.error() - with.plain_error()), 0.01);
    }
  }
}

}  // namespace
}  // namespace backprop::testing
