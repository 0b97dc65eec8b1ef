// SPDX-License-Identifier: Apache-2.0
//
// The classic lecture on back-propagation: one step worked out by hand, and XOR
// learnt one input at a time until the error is small enough.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/network/predictor.h"
#include "engine/random/initialiser.h"
#include "engine/training/trainer.h"
#include "tests/engine/input_rows.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

// The net of Han, Kamber & Pei, "Data Mining: Concepts and Techniques", chapter
// on classification by back-propagation: inputs 1, 2, 3, hidden units 4 and 5,
// output 6; sigmoid everywhere, α = 0.9. The book gives three decimals; here
// every number is worked out again with f(z) = 1/(1 + e^−z), f′ = f·(1 − f).
//
//   x = (1, 0, 1), target d = 1
//
// Forward
//   z4 = 0.2·1 + 0.4·0 − 0.5·1 − 0.4 = −0.7        a4 = 0.3318122
//   z5 = −0.3·1 + 0.1·0 + 0.2·1 + 0.2 = 0.1        a5 = 0.5249792
//   z6 = −0.3·0.3318122 − 0.2·0.5249792 + 0.1
//      = −0.0995437 − 0.1049958 + 0.1 = −0.1045395  y = 0.4738889
// Error
//   d − y = 0.5261111        E = ½·0.5261111² = 0.1383964
// Backward
//   δ6 = −(d − y)·y·(1 − y) = −0.5261111·0.4738889·0.5261111 = −0.1311691
//   δ4 = δ6·w46·a4·(1 − a4) = −0.1311691·−0.3·0.3318122·0.6681878 = 0.0087246
//   δ5 = δ6·w56·a5·(1 − a5) = −0.1311691·−0.2·0.5249792·0.4750208 = 0.0065421
// Update ΔW_ij = −α·δ_i·a_j
//   Δw46 = 0.9·0.1311691·0.3318122 = 0.0391712     w46 = −0.2608288
//   Δw56 = 0.9·0.1311691·0.5249792 = 0.0619749     w56 = −0.1380251
//   Δb6  = 0.9·0.1311691           = 0.1180522     b6  =  0.2180522
//   Δw14 = Δw34 = Δb4 = −0.9·0.0087246 = −0.0078521
//     w14 = 0.1921479, w24 = 0.4 (its input is 0), w34 = −0.5078521,
//     b4 = −0.4078521
//   Δw15 = Δw35 = Δb5 = −0.9·0.0065421 = −0.0058879
//     w15 = −0.3058879, w25 = 0.1, w35 = 0.1941121, b5 = 0.1941121
//
// The book's table: w46 −0.261, w56 −0.138, w14 0.192, w15 −0.306, w24 0.4,
// w25 0.1, w34 −0.508, w35 0.194, b6 0.218, b5 0.194, b4 −0.408.
// Rounding here to seven digits, and there to float32.
constexpr double kLastDigit = 2e-7;

constexpr Optimiser kPlainDescent = {};

class LectureNetTest : public ::testing::TestWithParam<DeltaForm> {
 protected:
  LectureNetTest()
      : network_(MakeNetwork({3, {2, 1}},
                             {Activation::kSigmoid, Activation::kSigmoid})),
        layout_(MakeLayout(network_, 1, std::array{GetParam(), GetParam()})),
        row_(layout_.delta_row_length()) {
    const InputRows inputs(layout_, kInputs);
    TrainRun run;
    run.inputs = inputs.rows();
    run.targets = kTargets;
    run.weights = weights_;
    run.errors = error_;
    run.deltas = row_;
    run.outputs = output_;
    const LearningRate rate({.learning_rate = 0.9F});
    applied_ = Trainer().Train({.network = &network_,
                                .layout = &layout_,
                                .optimiser = &kPlainDescent,
                                .rate = &rate},
                               run);
  }

  static constexpr std::array<float, 3> kInputs = {1, 0, 1};
  static constexpr std::array<float, 1> kTargets = {1};

  const NetworkSpec network_;
  const Layout layout_;
  std::vector<float> weights_ = {0.2F,  0.4F,  -0.5F,  // into unit 4
                                 -0.3F, 0.1F,  0.2F,   // into unit 5
                                 -0.4F, 0.2F,          // biases of 4 and 5
                                 -0.3F, -0.2F,         // into unit 6
                                 0.1F};                // its bias
  std::array<float, 1> error_ = {};
  std::array<float, 1> output_ = {};
  std::vector<float> row_;
  size_t applied_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Forms, LectureNetTest,
                         ::testing::Values(DeltaForm::kFactored,
                                           DeltaForm::kDense));

TEST_P(LectureNetTest, OneStepIsTheOneWorkedOutByHand) {
  ASSERT_EQ(applied_, 1);
  EXPECT_NEAR(output_[0], 0.4738889, kLastDigit);
  EXPECT_NEAR(error_[0], 0.1383964, kLastDigit);
  const std::vector<double> expected = {
      0.1921479,  0.4,       -0.5078521, -0.3058879, 0.1,      0.1941121,
      -0.4078521, 0.1941121, -0.2608288, -0.1380251, 0.2180522};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(weights_[i], expected[i], kLastDigit) << "weight " << i;
  }
}

TEST_P(LectureNetTest, TheDeltaIsMinusAlphaTimesSignalTimesActivation) {
  ASSERT_EQ(applied_, 1);
  std::vector<float> delta(weights_.size());
  std::vector<float> before(weights_.size());
  ApplyDelta(layout_, {1, row_, kInputs, {}}, before, {}, delta);
  const std::vector<double> expected = {
      -0.0078521, 0,          -0.0078521, -0.0058879, 0,        -0.0058879,
      -0.0078521, -0.0058879, 0.0391712,  0.0619749,  0.1180522};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(delta[i], expected[i], kLastDigit) << "weight " << i;
  }
  if (GetParam() == DeltaForm::kDense) return;
  // The factors themselves: u of units 4 and 5; u of unit 6, a of 4 and 5.
  const std::vector<double> factors = {-0.9 * 0.0087246, -0.9 * 0.0065421,
                                       0.9 * 0.1311691, 0.3318122, 0.5249792};
  ASSERT_EQ(row_.size(), factors.size());
  for (size_t i = 0; i < factors.size(); ++i) {
    EXPECT_NEAR(row_[i], factors[i], kLastDigit) << "factor " << i;
  }
}

struct Xor {
  static constexpr std::array<float, 8> kInputs = {0, 0, 0, 1, 1, 0, 1, 1};
  static constexpr std::array<float, 4> kTargets = {0, 1, 1, 0};

  NetworkSpec network =
      MakeNetwork({2, {3, 1}}, {Activation::kSigmoid, Activation::kSigmoid});
  Layout layout = MakeLayout(network, 1);
  std::vector<float> weights = std::vector<float>(layout.weight_count());
  Trainer trainer;

  // Each input once, one step each. Returns the mean error before each step.
  double Round(float learning_rate) {
    const LearningRate rate({.learning_rate = learning_rate});
    std::array<float, 1> error = {};
    std::vector<float> delta(layout.delta_row_length());
    double sum = 0;
    TrainRun run;
    run.weights = weights;
    run.errors = error;
    run.deltas = delta;
    for (size_t s = 0; s < kTargets.size(); ++s) {
      const InputRows input(layout, std::span(kInputs).subspan(2 * s, 2));
      run.inputs = input.rows();
      run.targets = std::span(kTargets).subspan(s, 1);
      const size_t applied = trainer.Train({.network = &network,
                                            .layout = &layout,
                                            .optimiser = &kPlainDescent,
                                            .rate = &rate},
                                           run);
      EXPECT_EQ(applied, 1);
      sum += error[0];
    }
    return sum / static_cast<double>(kTargets.size());
  }

  // Rounds until the error is small enough, at most `most`.
  size_t Learn(float learning_rate, size_t most) {
    size_t rounds = 1;
    while (Round(learning_rate) > 0.001 && rounds < most) ++rounds;
    return rounds;
  }
};

TEST(LectureTest, XorIsLearntOneInputAtATimeUntilTheErrorIsSmallEnough) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Xor problem;
    Initialise({InitialiserKind::kGlorotUniform, seed}, problem.layout,
               problem.weights);
    EXPECT_GT(problem.Round(1), 0.1);
    EXPECT_LT(problem.Learn(1, 50'000), 50'000u) << "seed " << seed;
    const Evaluation evaluation =
        Predictor().Evaluate(problem.network, problem.layout, problem.weights,
                             Xor::kInputs, Xor::kTargets);
    EXPECT_EQ(evaluation.correct, 4u) << "seed " << seed;
    EXPECT_LT(evaluation.error_sum, 4 * 0.001);
  }
}

TEST(LectureTest, TheLearningRateMatters) {
  Xor brisk;
  Xor timid;
  const Initialiser initialiser{InitialiserKind::kGlorotUniform, 1};
  Initialise(initialiser, brisk.layout, brisk.weights);
  Initialise(initialiser, timid.layout, timid.weights);
  const size_t rounds = brisk.Learn(2, 50'000);
  EXPECT_LT(rounds, 50'000u);
  EXPECT_EQ(timid.Learn(0.01F, rounds), rounds) << "has not learnt by then";
  EXPECT_GT(timid.Round(0.01F), 0.05);
}

TEST(LectureTest, FromEqualWeightsHiddenUnitsStayEqual) {
  // Why weights start at random: from zeros all hidden units move together.
  Xor problem;
  problem.Learn(1, 200);
  const LayerLayout& hidden = problem.layout.layers()[0];
  for (size_t i = 1; i < hidden.outputs; ++i) {
    for (size_t j = 0; j < hidden.inputs; ++j) {
      EXPECT_NEAR(problem.weights[i * hidden.inputs + j], problem.weights[j],
                  1e-4);
    }
  }
  EXPECT_GT(problem.Round(1), 0.1);
}

}  // namespace
}  // namespace backprop::testing
