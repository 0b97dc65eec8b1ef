// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/session_layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/client/cpp/session_message.h"

namespace backprop {
namespace {

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
  v1::Optimiser adam;
  adam.mutable_adam();
  const v1::Session session =
      testing::WithOptimiser(SessionMessage(4, {2}), adam);
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
  v1::SessionSpec spec;
  spec.set_input_size(2);
  v1::Standardisation* given = spec.mutable_input()->mutable_standardisation();
  given->set_learn_samples(10);
  EXPECT_TRUE(InputFormatOf(spec)->mean.empty());
  for (const float number : {1.0F, 2.0F}) {
    given->add_mean(number);
    given->add_factor(number);
  }
  EXPECT_EQ(InputFormatOf(spec)->factor, (std::vector<float>{1, 2}));
  given->add_mean(3);
  EXPECT_FALSE(InputFormatOf(spec).ok());
}

TEST(InputFormatTest, ScaleNotSetMeansOne) {
  v1::SessionSpec spec;
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_UINT8);
  absl::StatusOr<InputFormat> format = InputFormatOf(spec);
  ASSERT_TRUE(format.ok());
  EXPECT_EQ(format->element_type, ElementType::kUint8);
  EXPECT_EQ(format->scale, 1.0F);
}

TEST(InputFormatTest, UnknownElementTypeAndInfiniteScaleAreRefused) {
  v1::SessionSpec spec;
  spec.mutable_input()->set_element_type(static_cast<v1::ElementType>(9));
  EXPECT_FALSE(InputFormatOf(spec).ok());
  spec.mutable_input()->set_element_type(v1::ELEMENT_TYPE_FLOAT32);
  spec.mutable_input()->set_scale(std::numeric_limits<float>::infinity());
  EXPECT_FALSE(InputFormatOf(spec).ok());
}

}  // namespace
}  // namespace backprop
