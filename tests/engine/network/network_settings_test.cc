// SPDX-License-Identifier: Apache-2.0
//
// What Validate says about the settings of layers and losses, field by field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "engine/network/network.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Names of the fields that Validate complains about.
std::vector<std::string> Refused(const NetworkSpec& network) {
  return Fields(Validate(network));
}

NetworkSpec Network(Activation output, Loss loss) {
  NetworkSpec network;
  network.input_size = 4;
  network.layers = {{.size = 5, .activation = Activation::kTanh},
                    {.size = 3, .activation = output}};
  network.loss = loss;
  return network;
}

NetworkSpec Classifier() {
  return Network(Activation::kSoftmax, Loss::kCrossEntropy);
}

TEST(NetworkSettingsTest, NegativeScaleIsFiniteAndNotNegative) {
  for (const Activation activation :
       {Activation::kLeakyRelu, Activation::kElu}) {
    NetworkSpec network =
        Network(Activation::kIdentity, Loss::kHalfSquaredError);
    network.layers[0].activation = activation;
    for (const float good : {0.0F, 0.01F, 1.0F, 7.0F}) {
      network.layers[0].negative_scale = good;
      EXPECT_THAT(Refused(network), IsEmpty()) << good;
    }
    for (const float bad : {-0.01F, kNan, kInfinity}) {
      network.layers[0].negative_scale = bad;
      EXPECT_THAT(Refused(network), ElementsAre("layers[0].negative_scale"));
    }
  }
}

TEST(NetworkSettingsTest, NegativeScaleIsNotReadForOthers) {
  NetworkSpec network = Network(Activation::kIdentity, Loss::kHalfSquaredError);
  network.layers[0].negative_scale = kNan;
  EXPECT_THAT(Refused(network), IsEmpty());
}

TEST(NetworkSettingsTest, DropoutIsAShareBelowOne) {
  NetworkSpec network = Classifier();
  for (const float good : {0.0F, 0.5F, 0.999F}) {
    network.layers[0].dropout = good;
    EXPECT_THAT(Refused(network), IsEmpty()) << good;
  }
  for (const float bad : {-0.1F, 1.0F, 2.0F, kNan, kInfinity}) {
    network.layers[0].dropout = bad;
    EXPECT_THAT(Refused(network), ElementsAre("layers[0].dropout")) << bad;
  }
}

TEST(NetworkSettingsTest, TheLastLayerDropsNothing) {
  NetworkSpec network = Classifier();
  network.layers[1].dropout = 0.5F;
  EXPECT_THAT(Refused(network), ElementsAre("layers[1].dropout"));
}

TEST(NetworkSettingsTest, BinaryCrossEntropyTakesSigmoidOrIdentity) {
  const auto refused = [](Activation output) {
    return Refused(Network(output, Loss::kBinaryCrossEntropy));
  };
  EXPECT_THAT(refused(Activation::kSigmoid), IsEmpty());
  EXPECT_THAT(refused(Activation::kIdentity), IsEmpty());
  for (const Activation other :
       {Activation::kTanh, Activation::kRelu, Activation::kSoftmax,
        Activation::kGelu, Activation::kSoftplus}) {
    EXPECT_THAT(refused(other), ElementsAre("layers[1].activation"));
  }
}

TEST(NetworkSettingsTest, LabelSmoothingIsAShareBelowOneOfCrossEntropy) {
  NetworkSpec network = Classifier();
  for (const float good : {0.0F, 0.1F, 0.99F}) {
    network.label_smoothing = good;
    EXPECT_THAT(Refused(network), IsEmpty()) << good;
  }
  for (const float bad : {-0.1F, 1.0F, kNan, kInfinity}) {
    network.label_smoothing = bad;
    EXPECT_THAT(Refused(network), ElementsAre("label_smoothing")) << bad;
  }
  network = Network(Activation::kSigmoid, Loss::kBinaryCrossEntropy);
  network.label_smoothing = 0.1F;
  EXPECT_THAT(Refused(network), ElementsAre("label_smoothing"));
}

TEST(NetworkSettingsTest, ClassWeightsAreOneForEachOutput) {
  NetworkSpec network = Classifier();
  network.class_weights = {1, 0, 2};
  EXPECT_THAT(Refused(network), IsEmpty());
  network.class_weights = {1, 2};
  EXPECT_THAT(Refused(network), ElementsAre("class_weights"));
  network.class_weights = {1, -2, kNan};
  EXPECT_THAT(Refused(network),
              ElementsAre("class_weights[1]", "class_weights[2]"));
  network.class_weights = {1, kInfinity, 1};
  EXPECT_THAT(Refused(network), ElementsAre("class_weights[1]"));
}

TEST(NetworkSettingsTest, ClassWeightsAreForTheCrossEntropies) {
  NetworkSpec network =
      Network(Activation::kSigmoid, Loss::kBinaryCrossEntropy);
  network.class_weights = {1, 0, 2};
  EXPECT_THAT(Refused(network), IsEmpty());
  network.loss = Loss::kMeanSquaredError;
  EXPECT_THAT(Refused(network), ElementsAre("class_weights"));
}

TEST(NetworkSettingsTest, HubersDeltaIsPositive) {
  NetworkSpec network = Network(Activation::kIdentity, Loss::kHuber);
  network.huber_delta = 0.25F;
  EXPECT_THAT(Refused(network), IsEmpty());
  for (const float bad : {0.0F, -1.0F, kNan, kInfinity}) {
    network.huber_delta = bad;
    EXPECT_THAT(Refused(network), ElementsAre("huber_delta")) << bad;
  }
  network.loss = Loss::kMeanSquaredError;
  EXPECT_THAT(Refused(network), IsEmpty());
}

TEST(NetworkSettingsTest, EveryFaultIsNamedAtOnce) {
  NetworkSpec network = Network(Activation::kTanh, Loss::kBinaryCrossEntropy);
  network.layers[0] = {.size = 0,
                       .activation = Activation::kElu,
                       .negative_scale = -1,
                       .dropout = 1};
  network.label_smoothing = 0.5F;
  network.class_weights = {1};
  EXPECT_THAT(Refused(network),
              ElementsAre("layers[0].size", "layers[0].negative_scale",
                          "layers[0].dropout", "layers[1].activation",
                          "label_smoothing", "class_weights"));
}

}  // namespace
}  // namespace backprop::testing
