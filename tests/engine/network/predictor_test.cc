// SPDX-License-Identifier: Apache-2.0
#include "engine/network/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/engine/problem.h"
#include "tests/twins/reference_trainer.h"

namespace backprop::testing {
namespace {

constexpr double kBound = 0x1p-18;

Vector Row(std::span<const float> rows, size_t length, size_t s) {
  return Doubles(rows.subspan(s * length, length));
}

// Predicts and evaluates all samples of the problem as the twin does.
void CompareWithTwin(Predictor& predictor, const Problem& problem,
                     double bound) {
  const Layout& layout = problem.layout;
  const size_t samples = problem.targets.size() / layout.output_size();
  std::vector<float> outputs(problem.targets.size());
  predictor.Predict(problem.network, layout, problem.weights, problem.inputs,
                    outputs);
  const Evaluation evaluation =
      predictor.Evaluate(problem.network, layout, problem.weights,
                         problem.inputs, problem.targets);
  const Vector weights = Doubles(problem.weights);
  NetworkSpec plain = problem.network;
  plain.label_smoothing = 0;
  plain.class_weights.clear();
  double error_sum = 0;
  double plain_error_sum = 0;
  for (size_t s = 0; s < samples; ++s) {
    const Sample sample{Row(problem.inputs, layout.input_size(), s),
                        Row(problem.targets, layout.output_size(), s)};
    const ReferenceSample passed =
        ReferenceForward(problem.network, weights, sample);
    const Vector& expected = passed.outputs();
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(outputs[s * expected.size() + i], expected[i], bound)
          << problem.name() << ", sample " << s;
    }
    error_sum += passed.error;
    plain_error_sum += ReferenceForward(plain, weights, sample).error;
  }
  const auto n = static_cast<double>(samples);
  EXPECT_EQ(evaluation.samples, samples);
  EXPECT_NEAR(evaluation.error_sum / n, error_sum / n,
              bound * (1 + error_sum / n))
      << problem.name();
  EXPECT_NEAR(evaluation.plain_error_sum / n, plain_error_sum / n,
              bound * (1 + plain_error_sum / n))
      << problem.name();
  EXPECT_FALSE(evaluation.non_finite.has_value());
}

TEST(PredictorTest, OutputsAndErrorsAreTheTwins) {
  Predictor predictor;
  for (const Functions& functions : AllFunctions()) {
    for (const Shape& shape :
         {Shape{5, {4}}, Shape{9, {12, 3}}, Shape{4, {7, 6, 5, 2}}}) {
      const NetworkSpec network = MakeNetwork(shape, functions);
      for (const size_t samples : {1, 2, 7, 50}) {
        const Problem problem =
            MakeProblem(network, MakeLayout(network, 1), 0, samples, 3);
        CompareWithTwin(predictor, problem, kBound);
      }
    }
  }
}

TEST(PredictorTest, MoreSamplesThanAPanelHolds) {
  Predictor predictor;
  // Wide in the input, in the middle, and at the end.
  for (const Shape& shape :
       {Shape{3000, {2}}, Shape{2, {3000, 2}}, Shape{2, {3, 3000}}}) {
    const NetworkSpec network =
        MakeNetwork(shape, {Activation::kTanh, Activation::kIdentity});
    for (const size_t samples : {1, 21, 22, 100}) {
      const Problem problem =
          MakeProblem(network, MakeLayout(network, 1), 0, samples, 4);
      // Sums of up to 3000 products.
      CompareWithTwin(predictor, problem, 0x1p-15);
    }
  }
}

TEST(PredictorTest, ManySmallSamples) {
  const NetworkSpec network =
      MakeNetwork({1, {1}}, {Activation::kTanh, Activation::kSigmoid});
  Predictor predictor;
  CompareWithTwin(predictor,
                  MakeProblem(network, MakeLayout(network, 1), 0, 70'001, 5),
                  kBound);
}

TEST(PredictorTest, TheBatchSizeOfTrainingMakesNoDifference) {
  const NetworkSpec network = MakeNetwork(
      {6, {5, 4}},
      {Activation::kTanh, Activation::kSoftmax, Loss::kCrossEntropy});
  Predictor predictor;
  CompareWithTwin(
      predictor, MakeProblem(network, MakeLayout(network, 4), 0, 3, 6), kBound);
}

TEST(PredictorTest, NoSamplesAreFine) {
  const NetworkSpec network =
      MakeNetwork({3, {2}}, {Activation::kTanh, Activation::kIdentity});
  const Layout layout = MakeLayout(network, 1);
  const std::vector<float> weights(layout.weight_count());
  Predictor predictor;
  predictor.Predict(network, layout, weights, {}, {});
  EXPECT_EQ(predictor.Evaluate(network, layout, weights, {}, {}).samples, 0u);
}

TEST(PredictorTest, EvaluationStopsAtASampleWithoutAFiniteError) {
  const NetworkSpec network =
      MakeNetwork({1, {2}}, {Activation::kIdentity, Activation::kIdentity});
  const Layout layout = MakeLayout(network, 1);
  const std::vector<float> weights = {2, 0, 0, 0};  // y = (2·x, 0)
  const std::vector<float> targets(8, 0);
  const auto evaluate = [&](const std::vector<float>& inputs) {
    return Predictor().Evaluate(network, layout, weights, inputs, targets);
  };
  EXPECT_EQ(evaluate({1, 2, 3, 4}).non_finite, std::nullopt);
  const Evaluation stopped = evaluate({1, 2, 3e38F, 4});
  EXPECT_EQ(stopped.non_finite, 2u);
  EXPECT_EQ(stopped.samples, 2u);
  EXPECT_EQ(stopped.error_sum, 10) << "½·4 + ½·16";
}

// What a network says that hands its inputs on as its outputs.
Evaluation EvaluateOutputs(std::span<const float> outputs,
                           std::span<const float> targets, size_t size,
                           Loss loss = Loss::kHalfSquaredError) {
  const NetworkSpec network = MakeNetwork(
      {size, {size}}, {Activation::kIdentity, Activation::kIdentity, loss});
  const Layout layout = MakeLayout(network, 1);
  std::vector<float> weights(layout.weight_count());
  for (size_t i = 0; i < size; ++i) weights[i * size + i] = 1;
  return Predictor().Evaluate(network, layout, weights, outputs, targets);
}

bool Correct(const std::vector<float>& outputs,
             const std::vector<float>& targets) {
  const Evaluation evaluation =
      EvaluateOutputs(outputs, targets, outputs.size());
  EXPECT_EQ(evaluation.samples, 1u);
  return evaluation.correct == 1;
}

TEST(AccuracyTest, TheLargestOutputMustStandAtTheLargestTarget) {
  EXPECT_TRUE(Correct({0.1F, 0.7F, 0.2F}, {0, 1, 0}));
  EXPECT_FALSE(Correct({0.1F, 0.7F, 0.2F}, {1, 0, 0}));
  EXPECT_TRUE(Correct({-3, -1, -2}, {0.1F, 0.5F, 0.4F})) << "signs or sizes";
  EXPECT_TRUE(Correct({5, 4}, {-1, -2}));
}

TEST(AccuracyTest, TheFirstOfEqualNumbersCounts) {
  EXPECT_TRUE(Correct({1, 1, 0}, {1, 0, 0}));
  EXPECT_FALSE(Correct({1, 1, 0}, {0, 1, 0}));
  EXPECT_TRUE(Correct({0, 1, 0}, {0, 1, 1}));
  EXPECT_FALSE(Correct({0, 0, 1}, {0, 1, 1}));
  EXPECT_TRUE(Correct({0, 0}, {0, 0}));
  EXPECT_TRUE(Correct({-0.0F, 0.0F}, {1, 0})) << "−0 and +0 are equal";
}

TEST(AccuracyTest, OneOutputMustLieOnTheTargetsSideOfOneHalf) {
  const float below = std::nextafter(0.5F, 0.0F);
  EXPECT_TRUE(Correct({0.5F}, {1}));
  EXPECT_TRUE(Correct({0.5F}, {0.5F}));
  EXPECT_FALSE(Correct({0.5F}, {below}));
  EXPECT_FALSE(Correct({below}, {0.5F}));
  EXPECT_TRUE(Correct({below}, {0}));
  EXPECT_TRUE(Correct({7}, {0.5F}));
  EXPECT_TRUE(Correct({-7}, {0.4F}));
  EXPECT_FALSE(Correct({-7}, {0.6F}));
}

TEST(AccuracyTest, SamplesAreCountedOneByOne) {
  const std::vector<float> outputs = {1, 0, 0, 1, 1, 0};
  const std::vector<float> targets = {1, 0, 1, 0, 1, 0};
  const Evaluation evaluation = EvaluateOutputs(outputs, targets, 2);
  EXPECT_EQ(evaluation.samples, 3u);
  EXPECT_EQ(evaluation.correct, 2u);
  EXPECT_EQ(evaluation.error_sum, 1) << "the wrong one: ½·(1 + 1)";
}

TEST(AccuracyTest, LogitsAreComparedAsTheyAre) {
  const std::vector<float> outputs = {-5, -4, 2, 9};
  const std::vector<float> targets = {0, 1, 1, 0};
  const Evaluation evaluation =
      EvaluateOutputs(outputs, targets, 2, Loss::kCrossEntropy);
  EXPECT_EQ(evaluation.correct, 1u);
  EXPECT_NEAR(evaluation.error_sum,
              std::log1p(std::exp(-1.0)) + 7 + std::log1p(std::exp(-7.0)),
              1e-6);
}

}  // namespace
}  // namespace backprop::testing
