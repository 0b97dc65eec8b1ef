// SPDX-License-Identifier: Apache-2.0
#include "engine/network/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr Activation kIdentity = Activation::kIdentity;
constexpr Activation kTanh = Activation::kTanh;
constexpr Activation kSoftmax = Activation::kSoftmax;
constexpr Loss kSquared = Loss::kHalfSquaredError;
constexpr Loss kCrossEntropy = Loss::kCrossEntropy;

// The violated fields.
std::vector<std::string> Refused(const NetworkSpec& network) {
  return Fields(Validate(network));
}

TEST(NetworkTest, GoodNetworksHaveNoViolations) {
  EXPECT_THAT(Refused(MakeNetwork({1, {1}}, {kTanh, kTanh, kSquared})),
              IsEmpty());
  EXPECT_THAT(Refused(MakeNetwork({784, {128, 10}}, {Activation::kRelu,
                                                     kSoftmax, kCrossEntropy})),
              IsEmpty());
  EXPECT_THAT(
      Refused(MakeNetwork({3, {3, 3, 3, 3}},
                          {Activation::kSigmoid, kIdentity, kCrossEntropy})),
      IsEmpty());
}

TEST(NetworkTest, DefaultsAreTheLectures) {
  EXPECT_EQ(LayerSpec().activation, kIdentity);
  EXPECT_EQ(NetworkSpec().loss, kSquared);
  EXPECT_EQ(MakeNetwork({2, {5, 4}}, {kTanh, kTanh, kSquared}).output_size(),
            4);
}

TEST(NetworkTest, AnEmptyNetworkNamesWhatIsMissing) {
  EXPECT_THAT(Refused(NetworkSpec()),
              UnorderedElementsAre("input_size", "layers"));
}

TEST(NetworkTest, EveryZeroSizeIsNamed) {
  EXPECT_THAT(Refused(MakeNetwork({0, {1}}, {kTanh, kTanh, kSquared})),
              ElementsAre("input_size"));
  EXPECT_THAT(
      Refused(MakeNetwork({0, {2, 0, 3, 0}}, {kTanh, kTanh, kSquared})),
      UnorderedElementsAre("input_size", "layers[1].size", "layers[3].size"));
}

TEST(NetworkTest, SoftmaxStandsInTheLastLayerOnly) {
  NetworkSpec network =
      MakeNetwork({2, {3, 3, 3}}, {kTanh, kSoftmax, kCrossEntropy});
  network.layers[0].activation = kSoftmax;
  network.layers[1].activation = kSoftmax;
  EXPECT_THAT(Refused(network), UnorderedElementsAre("layers[0].activation",
                                                     "layers[1].activation"));
}

TEST(NetworkTest, SoftmaxNeedsCrossEntropy) {
  EXPECT_THAT(Refused(MakeNetwork({2, {3, 3}}, {kTanh, kSoftmax, kSquared})),
              ElementsAre("layers[1].activation"));
}

TEST(NetworkTest, CrossEntropyNeedsSoftmaxOrIdentity) {
  for (const Activation activation :
       {Activation::kSigmoid, kTanh, Activation::kRelu}) {
    EXPECT_THAT(
        Refused(MakeNetwork({2, {3, 3}}, {kTanh, activation, kCrossEntropy})),
        ElementsAre("layers[1].activation"));
  }
}

TEST(NetworkTest, AllThatIsWrongIsNamedAtOnce) {
  NetworkSpec network =
      MakeNetwork({0, {0, 3}}, {kSoftmax, kTanh, kCrossEntropy});
  EXPECT_THAT(
      Refused(network),
      UnorderedElementsAre("input_size", "layers[0].size",
                           "layers[0].activation", "layers[1].activation"));
}

}  // namespace
}  // namespace backprop::testing
