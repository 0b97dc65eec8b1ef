// SPDX-License-Identifier: Apache-2.0
//
// Errors and signals of every loss with every activation that may stand before
// it, against double formulas and numeric gradients.
#include "engine/network/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/network/activation.h"
#include "tests/engine/function_names.h"
#include "tests/engine/problem.h"
#include "tests/twins/reference_functions.h"

namespace backprop::testing {
namespace {

// A last layer of n outputs alone.
NetworkSpec Network(Activation activation, Loss loss, size_t n) {
  NetworkSpec network;
  network.input_size = 1;
  network.layers = {
      {.size = n, .activation = activation, .negative_scale = 0.75F}};
  network.loss = loss;
  return network;
}

// Every pair that Validate allows, n outputs; without settings, and with all
// that the loss has.
std::vector<NetworkSpec> EveryNetwork(size_t n) {
  std::vector<NetworkSpec> networks;
  for (const Loss loss : EveryLoss()) {
    for (const Activation activation : EveryActivation()) {
      NetworkSpec network = Network(activation, loss, n);
      if (!Validate(network).empty()) continue;
      networks.push_back(network);
      if (loss == Loss::kHuber) network.huber_delta = 0.3F;
      if (loss == Loss::kCrossEntropy) network.label_smoothing = 0.2F;
      if (loss == Loss::kCrossEntropy || loss == Loss::kBinaryCrossEntropy) {
        for (size_t i = 0; i < n; ++i) {
          network.class_weights.push_back(static_cast<float>(i % 3) * 0.7F);
        }
      }
      if (!Validate(network).empty()) ADD_FAILURE() << "settings are refused";
      networks.push_back(network);
    }
  }
  return networks;
}

std::string NameOf(const NetworkSpec& network) {
  return absl::StrCat(Name(network.layers[0].activation), " ",
                      Name(network.loss), " ", network.output_size(),
                      network.class_weights.empty() ? "" : " weighted");
}

struct Sample {
  std::vector<float> z;
  std::vector<float> outputs;
  std::vector<float> targets;

  LastLayer last() const { return {z, outputs, targets}; }
};

// Logits in ±3 and targets in [0, 1], some of them 0 and 1. No z is near a
// kink, and no output as near to its target.
Sample MakeSample(const NetworkSpec& network) {
  Sample sample;
  for (size_t i = 0; i < network.output_size(); ++i) {
    const auto x = static_cast<float>(i);
    sample.z.push_back(3 * std::sin(1.3F * x + 1));
    sample.targets.push_back(i % 5 == 0   ? 1.0F
                             : i % 5 == 1 ? 0.0F
                                          : 0.5F + 0.5F * std::sin(2.1F * x));
  }
  sample.outputs.resize(sample.z.size());
  Activate(network.layers[0], sample.z, sample.outputs);
  return sample;
}

constexpr size_t kSizes[] = {1, 2, 3, 4, 5, 10, 63, 64, 65, 200};

TEST(LossTest, ErrorsAreThoseOfTheDoubleFormula) {
  for (const size_t n : kSizes) {
    for (const NetworkSpec& network : EveryNetwork(n)) {
      const Sample sample = MakeSample(network);
      const double exact =
          ReferenceError(network, Doubles(sample.z), Doubles(sample.targets));
      EXPECT_NEAR(Error(network, sample.last()), exact,
                  1e-6 * (std::fabs(exact) + 0.1))
          << NameOf(network);
    }
  }
}

TEST(LossTest, TheErrorBesideTheSignalIsTheSame) {
  for (const NetworkSpec& network : EveryNetwork(7)) {
    const Sample sample = MakeSample(network);
    std::vector<float> signal(7);
    EXPECT_EQ(ErrorAndSignal(network, sample.last(), signal),
              Error(network, sample.last()))
        << NameOf(network);
  }
}

TEST(LossTest, SignalsAreNumericGradients) {
  for (const size_t n : kSizes) {
    for (const NetworkSpec& network : EveryNetwork(n)) {
      const Sample sample = MakeSample(network);
      std::vector<float> signal(n);
      ErrorAndSignal(network, sample.last(), signal);
      for (size_t i = 0; i < n; ++i) {
        const double numeric = NumericSignal(network, Doubles(sample.z),
                                             Doubles(sample.targets), i);
        EXPECT_NEAR(signal[i], numeric, 3e-6) << NameOf(network) << " " << i;
      }
    }
  }
}

TEST(LossTest, ThePlainErrorKnowsNeitherClassWeightsNorSmoothing) {
  for (const NetworkSpec& network : EveryNetwork(5)) {
    NetworkSpec plain = network;
    plain.class_weights.clear();
    plain.label_smoothing = 0;
    const Sample sample = MakeSample(network);
    EXPECT_EQ(PlainError(network, sample.last()), Error(plain, sample.last()))
        << NameOf(network);
    if (!network.class_weights.empty()) {
      EXPECT_NE(PlainError(network, sample.last()),
                Error(network, sample.last()))
          << NameOf(network);
    }
  }
}

TEST(LossTest, CrossEntropyIsTheSameForProbabilitiesAndLogits) {
  NetworkSpec network = Network(Activation::kSoftmax, Loss::kCrossEntropy, 4);
  const Sample probabilities = MakeSample(network);
  std::vector<float> signal(4), logit_signal(4);
  const double error = ErrorAndSignal(network, probabilities.last(), signal);
  network.layers[0].activation = Activation::kIdentity;
  const Sample logits = MakeSample(network);
  EXPECT_EQ(ErrorAndSignal(network, logits.last(), logit_signal), error);
  EXPECT_EQ(signal, logit_signal);
}

TEST(LossTest, AConfidentRightAnswerKeepsTheDigitsOfItsError) {
  const NetworkSpec softmax =
      Network(Activation::kSoftmax, Loss::kCrossEntropy, 3);
  const NetworkSpec sigmoid =
      Network(Activation::kSigmoid, Loss::kBinaryCrossEntropy, 3);
  for (const float z : {1.0F, 10.0F, 30.0F, 40.0F}) {
    Sample sample{{z, -z, -z}, {0, 0, 0}, {1, 0, 0}};
    Activate(softmax.layers[0], sample.z, sample.outputs);
    const double one_class = std::log1p(2 * std::exp(-2 * double{z}));
    EXPECT_NEAR(Error(softmax, sample.last()), one_class, 1e-6 * one_class);
    Activate(sigmoid.layers[0], sample.z, sample.outputs);
    const double three = std::log1p(std::exp(-double{z}));
    EXPECT_NEAR(Error(sigmoid, sample.last()), three, 1e-6 * three);
  }
}

TEST(LossTest, AConfidentWrongAnswerHasALargeAndFiniteError) {
  for (const Activation activation :
       {Activation::kSigmoid, Activation::kIdentity}) {
    const NetworkSpec network =
        Network(activation, Loss::kBinaryCrossEntropy, 2);
    Sample sample{{3000, -3000}, {0, 0}, {0, 1}};
    Activate(network.layers[0], sample.z, sample.outputs);
    std::vector<float> signal(2);
    EXPECT_EQ(ErrorAndSignal(network, sample.last(), signal), 3000);
    EXPECT_EQ(signal, (std::vector<float>{0.5F, -0.5F}));
  }
  const NetworkSpec network =
      Network(Activation::kSoftmax, Loss::kCrossEntropy, 2);
  Sample sample{{-2000, 2000}, {0, 0}, {1, 0}};
  Activate(network.layers[0], sample.z, sample.outputs);
  std::vector<float> signal(2);
  EXPECT_EQ(ErrorAndSignal(network, sample.last(), signal), 4000);
  EXPECT_EQ(signal, (std::vector<float>{-1, 1}));
}

// The manual's words about the points without a derivative.
TEST(LossTest, TheAbsoluteErrorHasNoSlopeWhereItIsZero) {
  const NetworkSpec network =
      Network(Activation::kIdentity, Loss::kMeanAbsoluteError, 4);
  const Sample sample{{0.5F, 2, -1, 0}, {0.5F, 2, -1, 0}, {0.5F, 1, 3, 0}};
  std::vector<float> signal(4);
  EXPECT_EQ(ErrorAndSignal(network, sample.last(), signal), 5.0 / 4);
  EXPECT_EQ(signal, (std::vector<float>{0, 0.25F, -0.25F, 0}));
}

TEST(LossTest, HubersTwoPartsMeetAtDelta) {
  NetworkSpec network = Network(Activation::kIdentity, Loss::kHuber, 1);
  network.huber_delta = 0.5F;
  const auto error_and_slope = [&](float residual) {
    const Sample sample{{residual}, {residual}, {0}};
    std::vector<float> signal(1);
    const double error = ErrorAndSignal(network, sample.last(), signal);
    return std::pair<double, float>(error, signal[0]);
  };
  EXPECT_EQ(error_and_slope(0.25F), std::pair(0.03125, 0.25F));
  EXPECT_EQ(error_and_slope(0.5F), std::pair(0.125, 0.5F));
  EXPECT_EQ(error_and_slope(-3), std::pair(1.375, -0.5F));
}

// What the non-finite rule refuses: e^y is no float32 beyond 88.7.
TEST(LossTest, APoissonRateBeyondFloatIsInfinite) {
  const NetworkSpec network = Network(Activation::kIdentity, Loss::kPoisson, 1);
  std::vector<float> signal(1);
  const auto error_at = [&](float y) {
    const Sample sample{{y}, {y}, {3}};
    return static_cast<float>(ErrorAndSignal(network, sample.last(), signal));
  };
  EXPECT_FLOAT_EQ(error_at(0.5F), std::exp(0.5F) - 1.5F);
  EXPECT_FLOAT_EQ(signal[0], std::exp(0.5F) - 3);
  EXPECT_FLOAT_EQ(error_at(-200), 600);
  EXPECT_FLOAT_EQ(signal[0], -3);
  EXPECT_TRUE(std::isfinite(error_at(88.7F)));
  EXPECT_TRUE(std::isinf(error_at(88.8F)));
  EXPECT_TRUE(std::isinf(signal[0]));
}

TEST(LossTest, NanReachesTheErrorOfEveryLoss) {
  for (const NetworkSpec& network : EveryNetwork(6)) {
    Sample sample = MakeSample(network);
    // Output 4: its class weight is not 0, nor its target.
    sample.z[4] = std::numeric_limits<float>::quiet_NaN();
    Activate(network.layers[0], sample.z, sample.outputs);
    std::vector<float> signal(6);
    EXPECT_TRUE(std::isnan(ErrorAndSignal(network, sample.last(), signal)))
        << NameOf(network);
  }
}

}  // namespace
}  // namespace backprop::testing
