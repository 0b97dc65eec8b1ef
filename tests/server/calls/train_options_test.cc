// SPDX-License-Identifier: Apache-2.0
//
// What a Train stream's answers hold beside errors: deltas of every detail,
// outputs, gradient norms; and what sample weights and dropout do.
#include <algorithm>
#include <cmath>

#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::TrainOptions Options(const std::string& text) {
  return Parsed<v1::TrainOptions>(text);
}

class TrainOptionsTest : public ServiceTest {
 protected:
  static v1::SessionSpec AdamSpec() {
    return With(Spec(12, {20, 4}), "optimiser {adam {}}");
  }

  std::mt19937 random_{29};
};

TEST_F(TrainOptionsTest, DenseDeltasAreThoseOfTheFactors) {
  for (const bool adam : {false, true}) {
    const v1::Session session = Create(adam ? AdamSpec() : Spec(12, {20, 4}));
    std::vector<float> weights = Weights(session);
    const size_t count = weights.size();
    TrainCall dense(stub(), session, Options("deltas: DELTA_DETAIL_DENSE"));
    const v1::TrainRequest request = RandomSamples(session, 500, random_);
    const auto answer = dense.Exchange(request);
    EXPECT_EQ(answer.scalars(), "");
    const std::vector<float> deltas = Floats(answer.deltas());
    ASSERT_EQ(deltas.size(), 500 * count);
    for (size_t i = 0; i < deltas.size(); ++i) {
      weights[i % count] = Fl(weights[i % count] + deltas[i]);
    }
    EXPECT_EQ(Bytes(Weights(session)), Bytes(weights));
    EXPECT_TRUE(dense.Finish().ok());
    // The same D as the factors make.
    ReferenceReplica replica =
        ReferenceReplica::WithState(Get(session), WeightsAndState(session));
    const v1::Session fork = Create(ForkOf(session, true));
    const v1::TrainRequest one = RandomSamples(session, 1, random_);
    TrainCall factors(stub(), session);
    replica.Apply(one, factors.Exchange(one));
    TrainCall twin(stub(), fork, Options("deltas: DELTA_DETAIL_DENSE"));
    const std::vector<float> full = Floats(twin.Exchange(one).deltas());
    ASSERT_EQ(full.size(), count);
    for (size_t i = 0; i < count; ++i) {
      EXPECT_NEAR(full[i], replica.last_delta()[i],
                  1e-5 * std::fabs(full[i]) + 1e-9);
    }
  }
}

TEST_F(TrainOptionsTest, NoneSendsErrorsAlone) {
  const v1::Session session = Create(AdamSpec());
  const v1::Session twin = Create(AdamSpec());
  TrainCall none(stub(), session, Options("deltas: DELTA_DETAIL_NONE"));
  TrainCall factors(stub(), twin);
  const v1::TrainRequest request = RandomSamples(session, 20, random_);
  const auto answer = none.Exchange(request);
  EXPECT_EQ(answer.deltas(), "");
  EXPECT_EQ(answer.scalars(), "");
  EXPECT_EQ(answer.errors_size(), 20);
  factors.Exchange(request);
  EXPECT_EQ(Digest(session), Digest(twin));
}

TEST_F(TrainOptionsTest, OutputsAreThoseBeforeEachStep) {
  const v1::Session session = Create(With(AdamSpec(), "batch_size: 2"));
  TrainCall call(stub(), session,
                 Options("deltas: DELTA_DETAIL_FACTORS want_outputs: true"));
  for (int i = 0; i < 3; ++i) {
    const v1::TrainRequest request = RandomSamples(session, 2, random_);
    auto predict = For<v1::PredictRequest>(session);
    predict.set_inputs(request.inputs());
    const auto predicted = Ask(&Stub::Predict, predict);
    const std::vector<float> outputs = Floats(call.Exchange(request).outputs());
    ASSERT_EQ(outputs.size(), 8u);
    for (int j = 0; j < 8; ++j) {
      EXPECT_NEAR(outputs[j], predicted.outputs(j), 1e-5);
    }
  }
  const auto many = call.Exchange(RandomSamples(session, 2000, random_));
  EXPECT_EQ(many.outputs().size(), 2000u * 4 * sizeof(float));
}

TEST_F(TrainOptionsTest, AnUnknownDetailEndsTheStream) {
  const v1::Session session = Create(AdamSpec());
  TrainCall call(stub(), session, Options("deltas: 9"));
  EXPECT_THAT(call.Finish(), IsInvalid(ElementsAre("options.deltas")));
  EXPECT_FALSE(Get(session).has_writer());
}

TEST_F(TrainOptionsTest, SampleWeightsBelongIntoNoOpening) {
  const v1::Session session = Create(AdamSpec());
  TrainCall call(stub());
  call.Write(For<v1::TrainRequest>(session, "sample_weights: 1"));
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// No response is larger than 2 MiB, unless a single step is.
TEST_F(TrainOptionsTest, ResponsesAreBounded) {
  const v1::SessionSpec small =
      With(Spec(1, {1}), "digest_every: 1 optimiser {learning_rate: 1e-4}");
  const v1::SessionSpec wide = Spec(4, {3000});
  const v1::SessionSpec clipped =
      With(AdamSpec(), "optimiser {clipping {max_norm: 1}}");
  for (const auto& [spec, samples] :
       {std::pair(small, 200'000), std::pair(wide, 600),
        std::pair(clipped, 5000)}) {
    for (const std::string detail : {"FACTORS", "DENSE", "NONE"}) {
      const v1::Session session = Create(spec);
      TrainCall call(
          stub(), session,
          Options("want_outputs: true deltas: DELTA_DETAIL_" + detail));
      call.Write(RandomSamples(session, samples, random_));
      uint64_t step = 0;
      for (bool done = false; !done;) {
        const auto part = call.ReadPart();
        ASSERT_TRUE(part.has_value());
        ASSERT_FALSE(part->has_rejection());
        EXPECT_LE(part->ByteSizeLong(), size_t{2} << 20);
        EXPECT_GT(part->step(), step);
        step = part->step();
        done = part->message_done();
      }
      EXPECT_EQ(step, static_cast<uint64_t>(samples));
    }
  }
}

TEST_F(TrainOptionsTest, ASampleWeightMultipliesTheError) {
  const v1::SessionSpec spec = With(
      Spec(3, {2}), "batch_size: 2 layers {delta_form: DELTA_FORM_FACTORED}");
  const v1::Session plain = Create(spec);
  const v1::Session weighted = Create(spec);
  v1::TrainRequest request = RandomSamples(plain, 2, random_);
  const auto ones = TrainCall(stub(), plain).Exchange(request);
  request.add_sample_weights(2);
  request.add_sample_weights(0);
  const auto weights = TrainCall(stub(), weighted).Exchange(request);
  const std::vector<float> u = Floats(ones.deltas());
  EXPECT_EQ(Floats(weights.deltas()),
            (std::vector<float>{2 * u[0], 2 * u[1], 0, 0}));
  // The first sample's error alone, twice, over 2.
  v1::TrainRequest first = request;
  first.clear_sample_weights();
  first.mutable_inputs()->resize(3 * sizeof(float));
  first.mutable_targets()->resize(2 * sizeof(float));
  const v1::Session single = Create(With(spec, "batch_size: 1"));
  const auto alone = TrainCall(stub(), single).Exchange(first);
  EXPECT_FLOAT_EQ(weights.errors(0), alone.errors(0));
}

TEST_F(TrainOptionsTest, SampleWeightsFollowTheirSamplesThroughAllParts) {
  const v1::Session session = Create(Spec(100, {40, 3}));
  constexpr int kSamples = 3000;  // several responses
  v1::TrainRequest request = RandomSamples(session, kSamples, random_);
  for (int i = 0; i < kSamples; ++i) {
    request.add_sample_weights(i % 7 == 3 ? 0.001F : 0.0F);
  }
  const auto answer = TrainCall(stub(), session).Exchange(request);
  ASSERT_EQ(answer.errors_size(), kSamples);
  for (int i = 0; i < kSamples; ++i) {
    EXPECT_EQ(answer.errors(i) > 0, i % 7 == 3) << i;
  }
}

TEST_F(TrainOptionsTest, BadSampleWeightsRefuseTheMessageWhole) {
  const v1::Session session = Create(Spec(3, {2}));
  TrainCall call(stub(), session);
  struct Bad {
    const char* field;
    std::vector<float> weights;
  };
  for (const Bad& bad :
       std::vector<Bad>{{"sample_weights", {1}},
                        {"sample_weights", {1, 1, 1}},
                        {"sample_weights[1]", {1, -0.5F}},
                        {"sample_weights[0]", {NAN, 1}},
                        {"sample_weights[1]", {1, INFINITY}}}) {
    v1::TrainRequest request = RandomSamples(session, 2, random_);
    for (const float weight : bad.weights) request.add_sample_weights(weight);
    const auto answer = call.Exchange(request);
    EXPECT_THAT(Fields(answer.rejection()), ElementsAre(bad.field));
    EXPECT_EQ(answer.next_offset(), 0u);
  }
  EXPECT_EQ(call.Exchange(RandomSamples(session, 2, random_)).step(), 2u);
}

TEST_F(TrainOptionsTest, TargetsBeyondAProbabilityAreRefused) {
  const v1::Session session =
      Create(With(Spec(3, {1}), "loss: LOSS_BINARY_CROSS_ENTROPY"));
  TrainCall call(stub(), session);
  v1::TrainRequest request = RandomSamples(session, 2, random_);
  for (const float target : {-0.1F, 1.1F}) {
    request.set_targets(Bytes({1, target}));
    EXPECT_THAT(Fields(call.Exchange(request).rejection()),
                ElementsAre("targets"));
  }
  request.set_targets(Bytes({0, 1}));
  EXPECT_EQ(call.Exchange(request).step(), 2u);
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_THAT(
      Fields(Try(&Stub::TrainStep,
                 For<v1::TrainStepRequest>(
                     session, "samples {inputs: [1, 1, 1] targets: 2}"))),
      ElementsAre("samples[0].targets[0]"));
}

TEST_F(TrainOptionsTest, CountsBelowZeroAndRatesBeyondFloatAreRefused) {
  const v1::Session session = Create(With(Spec(3, {1}), "loss: LOSS_POISSON"));
  TrainCall call(stub(), session);
  v1::TrainRequest request = RandomSamples(session, 2, random_);
  request.set_targets(Bytes({1, -0.5F}));
  const auto refused = call.Exchange(request);
  EXPECT_THAT(Fields(refused.rejection()), ElementsAre("targets"));
  EXPECT_THAT(refused.rejection().message(),
              HasSubstr("row 1, column 0 is -0.5; must be at least 0 under "
                        "POISSON"));
  request.set_targets(Bytes({0, 40}));
  EXPECT_EQ(call.Exchange(request).step(), 2u);
  EXPECT_TRUE(call.Finish().ok());
  auto step = For<v1::TrainStepRequest>(
      session, "samples {inputs: [1, 1, 1] targets: -1}");
  EXPECT_THAT(Fields(Try(&Stub::TrainStep, step)),
              ElementsAre("samples[0].targets[0]"));
  // Either y is far above 0 already, or one step of so large an input takes it
  // there.
  step.mutable_samples(0)->set_targets(0, 1);
  step.mutable_samples(0)->set_inputs(0, 1e9F);
  Try(&Stub::TrainStep, step);
  EXPECT_EQ(Reason(Try(&Stub::TrainStep, step)), "NON_FINITE_STEP");
}

TEST_F(TrainOptionsTest, AGradientNormIsThatOfTheWholeGradient) {
  const v1::SessionSpec spec =
      With(Spec(3, {2}),
           "layers {delta_form: DELTA_FORM_FACTORED} "
           "optimiser {l2: 1e-30}");  // gradient factors, unclipped
  const v1::Session free = Create(spec);
  const v1::Session clipped =
      Create(With(spec, "optimiser {clipping {max_norm: 0.25}}"));
  v1::TrainRequest request = RandomSamples(free, 1, random_);
  request.set_targets(Bytes({3, -3}));
  const auto plain = TrainCall(stub(), free).Exchange(request);
  const auto answer = TrainCall(stub(), clipped).Exchange(request);
  EXPECT_EQ(plain.gradient_norms_size(), 0);
  ASSERT_EQ(answer.gradient_norms_size(), 1);
  const std::vector<float> u = Floats(plain.deltas());
  const std::vector<float> x = Floats(request.inputs());
  const double norm = std::sqrt((u[0] * u[0] + u[1] * u[1]) *
                                (x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + 1));
  ASSERT_GT(norm, 0.25);
  EXPECT_NEAR(answer.gradient_norms(0), norm, 1e-5);
  const std::vector<float> small = Floats(answer.deltas());
  EXPECT_NEAR(small[0], u[0] * 0.25 / norm, 1e-6);
}

TEST_F(TrainOptionsTest, DropoutIsAFunctionOfItsSeed) {
  v1::SessionSpec spec =
      With(Spec(6, {32, 2}), "layers {dropout: 0.5} dropout_seed: 77");
  const auto digest = [&](uint64_t seed, const std::vector<size_t>& lengths) {
    spec.set_dropout_seed(seed);
    const v1::Session session = Create(spec);
    EXPECT_EQ(session.spec().dropout_seed(), seed);
    std::mt19937 random(1);
    TrainCall call(stub(), session);
    for (const size_t n : lengths) {
      EXPECT_FALSE(
          call.Exchange(RandomSamples(session, n, random)).has_rejection());
    }
    return Digest(session);
  };
  const uint64_t first = digest(77, {30, 20});
  EXPECT_EQ(digest(77, {30, 20}), first);
  EXPECT_NE(digest(78, {30, 20}), first);
  // A dropped output's factor a is 0: about half of them.
  const v1::Session session =
      Create(With(spec,
                  "layers {delta_form: DELTA_FORM_FACTORED} "
                  "layers {delta_form: DELTA_FORM_FACTORED}"));
  TrainCall call(stub(), session);
  const std::vector<float> deltas =
      Floats(call.Exchange(RandomSamples(session, 50, random_)).deltas());
  size_t zeros = 0;
  const size_t row = session.layout().delta_row_length();
  for (size_t step = 0; step < 50; ++step) {
    const float* const a = deltas.data() + step * row + 32 + 2;
    zeros += static_cast<size_t>(std::count(a, a + 32, 0.0F));
  }
  EXPECT_GT(zeros, 50u * 32 * 4 / 10);
  EXPECT_LT(zeros, 50u * 32 * 6 / 10);
}

}  // namespace
}  // namespace backprop::testing
