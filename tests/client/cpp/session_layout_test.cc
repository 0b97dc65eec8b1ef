// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/session_layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

using testing::Parsed;
using testing::SessionMessage;

constexpr size_t kMaxWeights = 1 << 20;

absl::StatusOr<Layout> LayoutOfSession(const v1::Session& session) {
  return LayoutOf(session.spec(), session.layout(), kMaxWeights);
}

TEST(SessionLayoutTest, HonestLayoutIsTaken) {
  const v1::Session session = SessionMessage(784, {128, 10});
  absl::StatusOr<Layout> layout = LayoutOfSession(session);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->weight_count(), 101770U);
  EXPECT_EQ(layout->delta_row_length(), 266U);
}

TEST(SessionLayoutTest, HugeSizesAreRefusedWithoutAllocating) {
  v1::Session session = SessionMessage(784, {128, 10});
  const uint32_t huge = std::numeric_limits<uint32_t>::max();
  for (int i = 0; i < session.spec().layers_size(); ++i) {
    session.mutable_spec()->mutable_layers(i)->set_size(huge);
    session.mutable_layout()->mutable_layers(i)->set_outputs(huge);
  }
  session.mutable_spec()->set_batch_size(huge);
  EXPECT_EQ(LayoutOfSession(session).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(LayoutOfTest, RuleAndWhatFollowsFromItAreTaken) {
  const v1::Session session =
      testing::WithOptimiser(SessionMessage(4, {2}), "adam {}");
  absl::StatusOr<Layout> layout = LayoutOfSession(session);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->rule(), rules::Adam::kRule);
  EXPECT_EQ(layout->state_count(), 2U);
  EXPECT_EQ(layout->scalar_count(), 10U);
}

TEST(LayoutOfTest, PlainDescentMayHaveGradientFactors) {
  v1::Session session = SessionMessage(4, {2});
  session.mutable_layout()->set_rule(v1::RULE_SGD);
  session.mutable_layout()->set_factor_kind(v1::FACTOR_KIND_GRADIENT);
  session.mutable_layout()->set_scalar_count(6);
  EXPECT_TRUE(LayoutOfSession(session).ok());
}

TEST(InputFormatTest, StandardisationIsTakenWhereItIsKnown) {
  const auto format = [](const std::string& standardisation) {
    return InputFormatOf(Parsed<v1::SessionSpec>(
        "input_size: 2 input {standardisation {learn_samples: 10 " +
        standardisation + "}}"));
  };
  EXPECT_TRUE(format("")->mean.empty());
  EXPECT_EQ(format("mean: [1, 2] factor: [1, 2]")->factor,
            (std::vector<float>{1, 2}));
  EXPECT_FALSE(format("mean: [1, 2, 3] factor: [1, 2]").ok());
}

TEST(InputFormatTest, ScaleNotSetMeansOne) {
  absl::StatusOr<InputFormat> format = InputFormatOf(
      Parsed<v1::SessionSpec>("input {element_type: ELEMENT_TYPE_UINT8}"));
  ASSERT_TRUE(format.ok());
  EXPECT_EQ(format->element_type, ElementType::kUint8);
  EXPECT_EQ(format->scale, 1.0F);
}

TEST(InputFormatTest, UnknownElementTypeAndInfiniteScaleAreRefused) {
  for (const char* input :
       {"element_type: 9", "element_type: ELEMENT_TYPE_FLOAT32 scale: inf"}) {
    EXPECT_FALSE(InputFormatOf(Parsed<v1::SessionSpec>(
                                   absl::StrCat("input {", input, "}")))
                     .ok())
        << input;
  }
}

}  // namespace
}  // namespace backprop
