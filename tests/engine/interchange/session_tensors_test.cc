// SPDX-License-Identifier: Apache-2.0
#include "engine/interchange/session_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

namespace backprop {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// 3 inputs, 2 hidden, 1 output: 11 weights.
Layout SmallLayout(Rule rule) {
  const std::vector<size_t> sizes = {2, 1};
  return Layout::Create(3, sizes, 1, 1000)->WithRule(rule);
}

std::vector<float> Counted(size_t count, float first) {
  std::vector<float> numbers(count);
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::string_view BytesOf(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()),
          numbers.size() * sizeof(float)};
}

class SessionTensorsTest : public ::testing::Test {
 protected:
  std::string Bytes() const {
    return SessionTensorBytes(layout_, {weights_, state_},
                              {{kSpecKey, "{}"}, {kStepKey, "7"}});
  }

  // Of the file without what ours add, after `change`.
  std::string FaultAfter(const std::function<void(TensorFile&)>& change) const {
    const std::string bytes = Bytes();
    TensorFile file = *ParseSafetensors(bytes);
    file.metadata.clear();
    change(file);
    const auto numbers = NumbersIn(file, layout_);
    return numbers.ok() ? "none" : std::string(numbers.status().message());
  }

  const Layout layout_ = SmallLayout(rules::Adam::kRule);
  const std::vector<float> weights_ = Counted(11, 1);
  const std::vector<float> state_ = Counted(22, 100);
};

TEST_F(SessionTensorsTest, TensorsHaveTheNamesAndShapesOfPyTorch) {
  const std::string bytes = Bytes();
  const auto file = ParseSafetensors(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::string> told;
  for (const Tensor& each : file->tensors) {
    told.push_back(each.name + ShapeText(each.shape));
  }
  EXPECT_THAT(told, ElementsAre("layers.0.weight[2, 3]", "layers.0.bias[2]",
                                "layers.1.weight[1, 2]", "layers.1.bias[1]",
                                "optimiser.exp_avg.layers.0.weight[2, 3]",
                                "optimiser.exp_avg.layers.0.bias[2]",
                                "optimiser.exp_avg.layers.1.weight[1, 2]",
                                "optimiser.exp_avg.layers.1.bias[1]",
                                "optimiser.exp_avg_sq.layers.0.weight[2, 3]",
                                "optimiser.exp_avg_sq.layers.0.bias[2]",
                                "optimiser.exp_avg_sq.layers.1.weight[1, 2]",
                                "optimiser.exp_avg_sq.layers.1.bias[1]"));
  EXPECT_EQ(file->tensors[1].bytes, BytesOf({7, 8}));
  EXPECT_EQ(file->tensors[6].bytes, BytesOf({108, 109}));
  EXPECT_EQ(file->metadata.at("format"), "pt");
}

TEST_F(SessionTensorsTest, EveryRuleHasANameForEachOfItsStateVectors) {
  for (int rule = 1; rule <= Rules::kCount; ++rule) {
    const Layout layout = SmallLayout(static_cast<Rule>(rule));
    const auto state = Counted(11 * layout.state_count(), 100);
    const std::string bytes = SessionTensorBytes(layout, {weights_, state}, {});
    const auto file = ParseSessionTensors(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    const auto numbers = NumbersIn(*file, layout);
    ASSERT_TRUE(numbers.ok()) << numbers.status();
    EXPECT_EQ(numbers->weights, BytesOf(weights_));
    EXPECT_EQ(numbers->state, BytesOf(state));
  }
}

TEST_F(SessionTensorsTest, OddNumbersKeepTheirBits) {
  std::vector<float> weights = weights_;
  weights[0] = -0.0F;
  weights[1] = std::numeric_limits<float>::denorm_min();
  weights[2] = std::numeric_limits<float>::max();
  const std::string bytes = SessionTensorBytes(layout_, {weights, {}}, {});
  const auto numbers = NumbersIn(*ParseSessionTensors(bytes), layout_);
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  EXPECT_EQ(numbers->weights, BytesOf(weights));
  EXPECT_EQ(numbers->state, "");
}

TEST_F(SessionTensorsTest, TheOrderInAFileDoesNotMatter) {
  const std::string ours = Bytes();
  TensorFile file = *ParseSafetensors(ours);
  file.metadata.clear();
  std::ranges::sort(file.tensors, {}, &Tensor::name);  // as PyTorch's has it
  ASSERT_EQ(file.tensors[0].name, "layers.0.bias");
  const std::string bytes = SafetensorsBytes(file);
  const auto read = ParseSessionTensors(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  const auto numbers = NumbersIn(*read, layout_);
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  EXPECT_EQ(numbers->weights, BytesOf(weights_));
  EXPECT_EQ(numbers->state, BytesOf(state_));
}

TEST_F(SessionTensorsTest, AnotherLayoutIsRefusedWithBothShapes) {
  EXPECT_EQ(FaultAfter([](TensorFile& file) {
              file.tensors[0].shape = {3, 2};
            }),
            "tensor \"layers.0.weight\" is of shape [3, 2]; the spec's layers "
            "make it [2, 3]");
  EXPECT_EQ(
      FaultAfter([](TensorFile& file) { file.tensors[0].shape = {6}; }),
      "tensor \"layers.0.weight\" is of shape [6]; the spec's layers make "
      "it [2, 3]");
}

TEST_F(SessionTensorsTest, ATensorThatLacksOrIsTooMuchIsNamed) {
  EXPECT_THAT(FaultAfter([](TensorFile& file) {
                file.tensors.erase(file.tensors.begin() + 1);
              }),
              "tensor \"layers.0.bias\", of shape [2] by the spec, is missing");
  EXPECT_THAT(FaultAfter([](TensorFile& file) { file.tensors.pop_back(); }),
              HasSubstr("\"optimiser.exp_avg_sq.layers.1.bias\""));
  EXPECT_THAT(FaultAfter([](TensorFile& file) {
                file.tensors.push_back({"layers.2.weight", {1}, "abcd"});
              }),
              HasSubstr("tensor \"layers.2.weight\" is none that the spec's"));
}

TEST_F(SessionTensorsTest, StateOfAnOptimiserThatHasNoneIsRefused) {
  const std::string bytes = Bytes();
  const auto numbers =
      NumbersIn(*ParseSessionTensors(bytes), SmallLayout(rules::None::kRule));
  EXPECT_THAT(
      std::string(numbers.status().message()),
      HasSubstr("tensor \"optimiser.exp_avg.layers.0.bias\" is none that"));
}

TEST_F(SessionTensorsTest, ANumberThatIsNotFiniteIsNamedByItsPosition) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    std::vector<float> weights = weights_;
    weights[4] = bad;
    const std::string bytes = SessionTensorBytes(layout_, {weights, {}}, {});
    const auto numbers = NumbersIn(*ParseSessionTensors(bytes), layout_);
    EXPECT_THAT(
        std::string(numbers.status().message()),
        AllOf(HasSubstr("number [1, 1] of tensor \"layers.0.weight\" is "),
              HasSubstr("; all must be finite")));
  }
  std::vector<float> state = state_;
  state.back() = HUGE_VALF;
  const std::string bytes = SessionTensorBytes(layout_, {weights_, state}, {});
  const auto numbers = NumbersIn(*ParseSessionTensors(bytes), layout_);
  EXPECT_THAT(std::string(numbers.status().message()),
              HasSubstr("number [0] of tensor "
                        "\"optimiser.exp_avg_sq.layers.1.bias\" is inf"));
}

TEST_F(SessionTensorsTest, NoBitOfAFileFlipsUnnoticed) {
  const std::string whole = Bytes();
  ASSERT_TRUE(ParseSessionTensors(whole).ok());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(ParseSessionTensors(flipped).ok()) << "bit " << bit;
  }
}

TEST_F(SessionTensorsTest, AFormOfLaterIsSaidToBeOne) {
  const std::string bytes = SessionTensorBytes(layout_, {weights_, {}}, {});
  TensorFile file = *ParseSafetensors(bytes);
  file.metadata[kFormKey] = "2";
  const auto damaged = ParseSessionTensors(SafetensorsBytes(file));
  EXPECT_TRUE(absl::IsDataLoss(damaged.status()));
  // As one that wrote form 2 would have it: the message tells.
  const std::string text(damaged.status().message());
  file.metadata[kChecksumKey] = text.substr(text.find("holds is \"") + 10, 16);
  const auto later = ParseSessionTensors(SafetensorsBytes(file));
  EXPECT_TRUE(absl::IsInvalidArgument(later.status()));
  EXPECT_THAT(std::string(later.status().message()),
              HasSubstr("\"2\"; only \"1\" is read"));
}

}  // namespace
}  // namespace backprop
