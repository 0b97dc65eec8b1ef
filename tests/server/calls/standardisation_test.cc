// SPDX-License-Identifier: Apache-2.0
//
// Input standardisation: given, and learnt from a session's first samples.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/server/service_fixture.h"
#include "tests/server/spec_text.h"
#include "tests/server/train_call.h"
#include "tests/twins/reference_replica.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;

constexpr size_t kColumns = 5;

class StandardisationTest : public ServiceTest {
 protected:
  static v1::SessionSpec LearningSpec(uint64_t samples) {
    return With(Spec(kColumns, {4, 2}),
                absl::StrCat("input {scale: 2 standardisation {learn_samples: ",
                             samples, "}}"));
  }

  // Column j is about 10·j with deviation j/2; so column 0 never varies.
  v1::TrainRequest Samples(const v1::Session& session, size_t n) {
    v1::TrainRequest request = RandomSamples(session, n, random_);
    std::vector<float> inputs = Floats(request.inputs());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const auto j = static_cast<float>(i % kColumns);
      inputs[i] = 10 * j + inputs[i] * j;
    }
    request.set_inputs(Bytes(inputs));
    return request;
  }

  // As numpy.mean and 1 / numpy.std would say, of the message's first n rows
  // times 2; no column is nearly constant.
  static v1::Standardisation Expected(const v1::TrainRequest& request,
                                      size_t n) {
    const std::vector<float> inputs = Floats(request.inputs());
    v1::Standardisation expected;
    for (size_t j = 0; j < kColumns; ++j) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum += 2.0 * inputs[i * kColumns + j];
      const double mean = sum / static_cast<double>(n);
      double squares = 0;
      for (size_t i = 0; i < n; ++i) {
        squares += std::pow(2.0 * inputs[i * kColumns + j] - mean, 2);
      }
      const double variance = squares / static_cast<double>(n);
      expected.add_mean(static_cast<float>(mean));
      expected.add_factor(
          static_cast<float>(variance == 0 ? 1 : 1 / std::sqrt(variance)));
    }
    expected.set_learn_samples(n);
    return expected;
  }

  static void ExpectNear(const v1::Standardisation& actual,
                         const v1::Standardisation& expected) {
    ASSERT_EQ(actual.mean_size(), static_cast<int>(kColumns));
    ASSERT_EQ(actual.factor_size(), static_cast<int>(kColumns));
    for (int j = 0; j < static_cast<int>(kColumns); ++j) {
      EXPECT_FLOAT_EQ(actual.mean(j), expected.mean(j)) << j;
      EXPECT_FLOAT_EQ(actual.factor(j), expected.factor(j)) << j;
    }
    EXPECT_EQ(actual.learn_samples(), expected.learn_samples());
  }

  grpc::Status Predict(const std::string& id, v1::PredictResponse* response) {
    return Call(&Stub::Predict,
                For<v1::PredictRequest>(id, "values: [1, 1, 1, 1, 1]"),
                response);
  }

  grpc::Status Evaluate(const std::string& id, const v1::TrainRequest& samples,
                        v1::EvaluateResponse* response) {
    return EvaluateAll({EvaluationOf(id, samples)}, response);
  }

  grpc::Status Step(const std::string& id) {
    return Try(&Stub::TrainStep,
               For<v1::TrainStepRequest>(
                   id, "samples {inputs: [1, 1, 1, 1, 1] class_number: 0}"));
  }

  std::mt19937 random_{7};
};

TEST_F(StandardisationTest, IsLearntFromTheFirstSamplesOfSeveralMessages) {
  const v1::Session session = Create(LearningSpec(50));
  const std::string id = session.session_id();
  EXPECT_EQ(session.spec().input().standardisation().learn_samples(), 50u);
  EXPECT_EQ(session.spec().input().standardisation().mean_size(), 0);
  v1::GetWeightsResponse anchor;
  ReferenceReplica replica(session, Weights(id, &anchor));
  EXPECT_FALSE(anchor.has_standardisation());

  const v1::TrainRequest all = Samples(session, 60);
  const size_t row = kColumns * sizeof(float);
  TrainCall call(stub(), session);
  v1::TrainRequest part = all;  // 20 samples, then 40: 30 to learn, 10 to train
  part.mutable_inputs()->resize(20 * row);
  part.mutable_targets()->resize(20 * 2 * sizeof(float));
  part.set_want_digest(true);
  const auto learning = call.Exchange(part);
  EXPECT_FALSE(learning.has_rejection());
  EXPECT_FALSE(learning.has_standardisation());
  EXPECT_EQ(learning.base_step(), 0u);
  EXPECT_EQ(learning.step(), 0u);
  EXPECT_EQ(learning.next_offset(), 20u);
  EXPECT_EQ(learning.errors_size(), 0);
  ASSERT_EQ(learning.digests_size(), 1);
  EXPECT_EQ(learning.digests(0).digest(), anchor.digest());

  part = all;
  part.mutable_inputs()->erase(0, 20 * row);
  part.mutable_targets()->erase(0, 20 * 2 * sizeof(float));
  part.set_offset(20);
  ASSERT_TRUE(call.Write(part));
  const auto learnt = call.ReadPart();
  ASSERT_TRUE(learnt.has_value());
  EXPECT_FALSE(learnt->message_done());
  EXPECT_EQ(learnt->step(), 0u);
  EXPECT_EQ(learnt->next_offset(), 50u);
  ExpectNear(learnt->standardisation(), Expected(all, 50));
  EXPECT_EQ(learnt->standardisation().factor(0), 1) << "it never varied";
  const auto trained = call.ReadPart();
  ASSERT_TRUE(trained.has_value());
  EXPECT_TRUE(trained->message_done());
  EXPECT_FALSE(trained->has_standardisation());
  EXPECT_EQ(trained->step(), 10u);
  EXPECT_EQ(trained->next_offset(), 60u);

  replica.SetStandardisation(learnt->standardisation());
  v1::TrainRequest trained_on = part;
  trained_on.mutable_inputs()->erase(0, 30 * row);
  replica.Apply(trained_on, *trained);
  EXPECT_EQ(replica.digest(), Digest(id));

  const v1::Session now = Get(id);
  ExpectNear(now.spec().input().standardisation(), Expected(all, 50));
  Weights(id, &anchor);
  ExpectNear(anchor.standardisation(), Expected(all, 50));
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(Step(id).ok());
}

TEST_F(StandardisationTest, IsLearntFromAMessageOfManyPartsOnceEach) {
  constexpr size_t kSamples = 110'000;  // more than two responses' worth
  const v1::Session session = Create(LearningSpec(kSamples));
  const v1::TrainRequest all = Samples(session, kSamples);
  v1::TrainRequest first = all;
  first.mutable_inputs()->resize(10 * kColumns * sizeof(float));
  first.mutable_targets()->resize(10 * 2 * sizeof(float));
  TrainCall call(stub(), session);
  EXPECT_EQ(call.Exchange(first).next_offset(), 10u);
  v1::TrainRequest again = all;
  again.set_offset(0);
  const auto answer = call.Exchange(again);
  EXPECT_EQ(answer.skipped_samples(), 10u);
  EXPECT_EQ(answer.next_offset(), kSamples);
  EXPECT_EQ(answer.step(), 0u);
  ExpectNear(answer.standardisation(), Expected(all, kSamples));
}

TEST_F(StandardisationTest, UntilItIsLearntWhatNeedsItIsNotReady) {
  const v1::Session session = Create(LearningSpec(4));
  const std::string id = session.session_id();
  const v1::TrainRequest samples = Samples(session, 2);
  v1::PredictResponse predicted;
  v1::EvaluateResponse evaluated;
  for (int round = 0; round < 2; ++round) {
    for (const grpc::Status& status :
         {Predict(id, &predicted), Evaluate(id, samples, &evaluated),
          Step(id)}) {
      EXPECT_THAT(status,
                  Fails(grpc::StatusCode::FAILED_PRECONDITION, "NOT_READY"));
    }
    if (round == 0) {
      EXPECT_EQ(TrainCall(stub(), session).Exchange(samples).next_offset(), 2u);
      EXPECT_TRUE(Eventually([&] { return !Get(id).has_writer(); }));
    }
  }
  TrainCall call(stub(), session);
  EXPECT_TRUE(call.Exchange(samples).has_standardisation());
  EXPECT_TRUE(call.Finish().ok());
  EXPECT_TRUE(Predict(id, &predicted).ok());
  EXPECT_TRUE(Evaluate(id, samples, &evaluated).ok());
  EXPECT_TRUE(Step(id).ok());
}

TEST_F(StandardisationTest, LearnsNothingFromARefusedMessage) {
  const v1::Session session = Create(LearningSpec(4));
  TrainCall call(stub(), session);
  v1::TrainRequest bad = Samples(session, 4);
  std::vector<float> inputs = Floats(bad.inputs());
  inputs.back() = NAN;
  bad.set_inputs(Bytes(inputs));
  const auto refused = call.Exchange(bad);
  EXPECT_THAT(Fields(refused.rejection()), ElementsAre("inputs"));
  EXPECT_EQ(refused.next_offset(), 0u);
  const v1::TrainRequest good = Samples(session, 4);
  ExpectNear(call.Exchange(good).standardisation(), Expected(good, 4));
}

// What was learnt makes a later number of the same message infinite.
TEST_F(StandardisationTest, WhatIsInfiniteOnceStandardisedIsRefused) {
  const v1::Session session =
      Create(With(Spec(1, {1}), "input {standardisation {learn_samples: 2}}"));
  TrainCall call(stub(), session);
  const auto answer =
      call.Exchange(SamplesOf({1, 1.0001F, 1, 3e38F}, {0, 0, 0, 0}));
  EXPECT_TRUE(answer.has_standardisation());
  EXPECT_THAT(Fields(answer.rejection()), ElementsAre("inputs"));
  EXPECT_EQ(answer.step(), 0u);
  EXPECT_EQ(answer.next_offset(), 2u);
  EXPECT_THAT(Fields(call.Exchange(SamplesOf({1, 3e38F}, {0, 0})).rejection()),
              ElementsAre("inputs"));
  EXPECT_EQ(call.Exchange(SamplesOf({1, 1}, {0, 0})).step(), 2u);
}

// Small images of four classes whose border is dark but in one of forty, and
// showed next to nothing in the samples that were learnt from: as pixels of
// Fashion-MNIST do. Divided by its tiny deviation, a bright border pixel was an
// input of thousands, and threw the weights away.
TEST_F(StandardisationTest, NearlyConstantPixelsDoNotMakeTrainingDiverge) {
  constexpr size_t kPixels = 16, kBorder = 4, kLearn = 500, kClasses = 4;
  const v1::Session session =
      Create(With(With(Spec(kPixels, {16, kClasses}), kScaledBytes),
                  absl::StrCat("layers {activation: ACTIVATION_RELU} "
                               "layers {activation: ACTIVATION_SOFTMAX} "
                               "loss: LOSS_CROSS_ENTROPY "
                               "optimiser {learning_rate: 0.002} "
                               "input {standardisation {learn_samples: ",
                               kLearn, "}}")));
  const auto images = [&](size_t n, bool bright) {
    v1::TrainRequest request;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t c = random_() % kClasses;
      std::string image(kPixels, '\0');
      for (size_t j = kBorder; j < kPixels; ++j) {
        image[j] =
            static_cast<char>(random_() % 100 + (j % kClasses == c ? 150 : 0));
      }
      if (bright && random_() % 40 == 0) {
        image[random_() % kBorder] = static_cast<char>(255);
      }
      if (!bright && i < kBorder) image[i] = 1;
      request.mutable_inputs()->append(image);
      request.add_classes(c);
    }
    return request;
  };
  TrainCall call(stub(), session);
  const v1::TrainResponse learnt = call.Exchange(images(kLearn, false));
  ASSERT_TRUE(learnt.has_standardisation());
  for (size_t j = 0; j < kBorder; ++j) {
    EXPECT_FLOAT_EQ(learnt.standardisation().factor(static_cast<int>(j)), 64);
  }
  double error = 0;
  for (int message = 0; message < 10; ++message) {
    const v1::TrainResponse answer = call.Exchange(images(1000, true));
    ASSERT_FALSE(answer.has_rejection()) << answer.rejection().message();
    error = 0;
    for (const float each : answer.errors()) error += each / 1000;
  }
  EXPECT_LT(error, 0.5);  // ln 4 = 1.39 is what guessing has
}

TEST_F(StandardisationTest, ALeastDeviationMayBeGiven) {
  const v1::Session session = Create(
      With(LearningSpec(50), "input {standardisation {min_deviation: 3}}"));
  EXPECT_EQ(session.spec().input().standardisation().min_deviation(), 3);
  v1::TrainRequest samples = Samples(session, 50);
  TrainCall call(stub(), session);
  const v1::Standardisation learnt = call.Exchange(samples).standardisation();
  v1::Standardisation expected = Expected(samples, 50);
  for (float& factor : *expected.mutable_factor()) {
    factor = std::min(factor, 1 / 3.0F);
  }
  ExpectNear(learnt, expected);
  EXPECT_FLOAT_EQ(learnt.factor(0), 1 / 3.0F);  // it never varied
  EXPECT_LT(learnt.factor(4), 1 / 3.0F);
}

TEST_F(StandardisationTest, ALeastDeviationThatCannotBeIsRefused) {
  const char field[] = "spec.input.standardisation.min_deviation";
  v1::SessionSpec spec = LearningSpec(50);
  v1::Standardisation& given = *spec.mutable_input()->mutable_standardisation();
  for (const float bad : {-1.0F, 1e-19F, INFINITY, NAN}) {
    given.set_min_deviation(bad);
    EXPECT_THAT(Fields(TryCreate(spec)), ElementsAre(field)) << bad;
  }
  given = Parsed<v1::Standardisation>(
      "min_deviation: 1 mean: [0, 0, 0, 0, 0] factor: [1, 1, 1, 1, 1]");
  EXPECT_THAT(Fields(TryCreate(spec)), ElementsAre(field));
}

TEST_F(StandardisationTest, GivenOneStandardisesBytesButNotValues) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() =
      With(Spec(2, {1}),
           "input {element_type: ELEMENT_TYPE_UINT8 "
           "standardisation {mean: [10, 20] factor: [0.5, 0.5]}}");
  request.mutable_initial()->set_weights(Bytes({1, 100, 0}));
  const std::string id = Create(request).session_id();
  auto predict = For<v1::PredictRequest>(id);
  predict.set_inputs(std::string("\x0c\x18", 2));  // 12 and 24: x = (1, 2)
  auto predicted = Ask(&Stub::Predict, predict);
  EXPECT_THAT(predicted.outputs(), ElementsAre(201));
  predicted =
      Ask(&Stub::Predict, For<v1::PredictRequest>(id, "values: [3, 4]"));
  EXPECT_THAT(predicted.outputs(), ElementsAre(403));
  const auto stepped = Ask(
      &Stub::TrainStep,
      For<v1::TrainStepRequest>(id, "samples {inputs: [3, 4] targets: 403}"));
  EXPECT_THAT(stepped.outputs(), ElementsAre(403));
}

TEST_F(StandardisationTest, AnUpdateKeepsWhatWasLearntAndWhatIsStillToLearn) {
  const v1::Session session = Create(LearningSpec(4));
  const v1::UpdateSessionRequest update =
      UpdateOf(session, {"digest_every"}, With({}, "digest_every: 3"));
  const v1::TrainRequest samples = Samples(session, 4);
  TrainCall call(stub(), session);
  v1::TrainRequest half = samples;
  half.mutable_inputs()->resize(half.inputs().size() / 2);
  half.mutable_targets()->resize(half.targets().size() / 2);
  EXPECT_FALSE(call.Exchange(half).has_standardisation());
  Ask(&Stub::UpdateSession, update);
  half = samples;
  half.mutable_inputs()->erase(0, half.inputs().size() / 2);
  half.mutable_targets()->erase(0, half.targets().size() / 2);
  ExpectNear(call.Exchange(half).standardisation(), Expected(samples, 4));
  const auto updated = Ask(&Stub::UpdateSession, update);
  ExpectNear(updated.session().spec().input().standardisation(),
             Expected(samples, 4));
}

}  // namespace
}  // namespace backprop::testing
