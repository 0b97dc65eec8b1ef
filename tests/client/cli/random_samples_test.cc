// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/random_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace backprop::cli {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Ge;
using ::testing::Le;

v1::SessionSpec Spec(v1::ElementType type, uint32_t inputs, uint32_t outputs) {
  v1::SessionSpec spec;
  spec.set_input_size(inputs);
  spec.mutable_input()->set_element_type(type);
  spec.add_layers()->set_size(outputs);
  return spec;
}

std::vector<float> Floats(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(RandomSamplesTest, AreTheSameForOneSeedAndOthersForAnother) {
  const v1::SessionSpec spec = Spec(v1::ELEMENT_TYPE_UINT8, 30, 10);
  RandomSamples one(spec, 4, 7), same(spec, 4, 7), other(spec, 4, 8);
  for (int i = 0; i < 5; ++i) {
    const std::string message = one.Next().SerializeAsString();
    EXPECT_EQ(message, same.Next().SerializeAsString());
    EXPECT_NE(message, other.Next().SerializeAsString());
  }
}

TEST(RandomSamplesTest, FitTheSpec) {
  RandomSamples bytes(Spec(v1::ELEMENT_TYPE_UINT8, 500, 10), 20, 1);
  const v1::TrainRequest pixels = bytes.Next();
  EXPECT_EQ(pixels.inputs().size(), 20U * 500);
  EXPECT_EQ(pixels.classes_size(), 20);
  EXPECT_THAT(pixels.classes(), Each(Le(9U)));
  EXPECT_TRUE(pixels.targets().empty());
  // Four of five are 0.
  const auto zeros = std::ranges::count(pixels.inputs(), '\0');
  EXPECT_NEAR(static_cast<double>(zeros), 8000, 400);

  RandomSamples floats(Spec(v1::ELEMENT_TYPE_FLOAT32, 500, 1), 20, 1);
  const v1::TrainRequest numbers = floats.Next();
  EXPECT_EQ(Floats(numbers.inputs()).size(), 20U * 500);
  EXPECT_THAT(Floats(numbers.inputs()), Each(AllOf(Ge(0), Le(1))));
  const std::vector<float> targets = Floats(numbers.targets());
  EXPECT_EQ(targets.size(), 20U);
  EXPECT_EQ(std::set<float>(targets.begin(), targets.end()),
            (std::set<float>{0, 1}));
  EXPECT_EQ(numbers.classes_size(), 0);
}

// Else there would be something to learn, and weight deltas would fade.
TEST(RandomSamplesTest, InputsComeAgainWithOtherTargets) {
  RandomSamples samples(Spec(v1::ELEMENT_TYPE_UINT8, 8, 10), 50, 1);
  const v1::TrainRequest first = samples.Next();
  std::set<std::string> inputs = {first.inputs()};
  for (v1::TrainRequest next = samples.Next();; next = samples.Next()) {
    ASSERT_LT(inputs.size(), 10'000U) << "inputs never come again";
    if (inputs.insert(next.inputs()).second) continue;
    EXPECT_EQ(next.inputs(), first.inputs());
    EXPECT_NE(std::vector(next.classes().begin(), next.classes().end()),
              std::vector(first.classes().begin(), first.classes().end()));
    break;
  }
  EXPECT_GT(inputs.size(), 100U);
}

TEST(RandomSamplesTest, AMessageHasNoMoreBytesThanItIsSaidToHave) {
  for (const auto type : {v1::ELEMENT_TYPE_UINT8, v1::ELEMENT_TYPE_FLOAT32}) {
    for (const uint32_t outputs : {1U, 10U, 4'000'000'000U}) {
      for (const size_t n : {1, 300, 20'000}) {
        const v1::SessionSpec spec = Spec(type, 3, outputs);
        const size_t bytes = RandomSamples(spec, n, 1).Next().ByteSizeLong();
        EXPECT_FALSE(FitsMessage(spec, n, bytes - 1));
        EXPECT_TRUE(FitsMessage(spec, n, bytes + 5 * n + 22));
      }
    }
  }
}

TEST(FitsMessageTest, NothingFitsBecauseItsBytesOverflow) {
  v1::SessionSpec spec = Spec(v1::ELEMENT_TYPE_FLOAT32, 1, 1);
  spec.set_input_size(~uint32_t{0});
  // 2^34 + 1 bytes a sample, 2^64 + 2^30 together.
  EXPECT_FALSE(FitsMessage(spec, uint64_t{1} << 30, uint64_t{1} << 31));
  EXPECT_FALSE(FitsMessage(spec, 0, 21));
}

}  // namespace
}  // namespace backprop::cli
