// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/session_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
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

TEST(SessionLayoutTest, AnyPositionThatDisagreesIsRefusedByName) {
  const struct {
    std::string field;
    std::function<void(v1::Layout*)> change;
  } lies[] = {
      {"layout.layers[1].inputs",
       [](auto* l) { l->mutable_layers(1)->set_inputs(127); }},
      {"layout.layers[1].weights_begin",
       [](auto* l) { l->mutable_layers(1)->set_weights_begin(~0ULL); }},
      {"layout.layers[0].bias_begin",
       [](auto* l) { l->mutable_layers(0)->set_bias_begin(0); }},
      {"layout.layers[1].delta_begin",
       [](auto* l) { l->mutable_layers(1)->set_delta_begin(1); }},
      {"layout.layers[0].delta_length",
       [](auto* l) { l->mutable_layers(0)->set_delta_length(1 << 30); }},
      {"layout.weight_count", [](auto* l) { l->set_weight_count(1); }},
      {"layout.delta_row_length", [](auto* l) { l->set_delta_row_length(0); }},
  };
  for (const auto& lie : lies) {
    v1::Session session = SessionMessage(784, {128, 10});
    lie.change(session.mutable_layout());
    const absl::Status status = LayoutOfSession(session).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << lie.field;
    EXPECT_THAT(std::string(status.message()),
                ::testing::HasSubstr(lie.field + " is"));
  }
}

TEST(SessionLayoutTest, HugeSizesAreRefusedWithoutAllocating) {
  v1::Session session = SessionMessage(784, {128, 10});
  for (auto& layer : *session.mutable_layout()->mutable_layers())
    layer.set_outputs(std::numeric_limits<uint32_t>::max());
  session.mutable_spec()->set_batch_size(std::numeric_limits<uint32_t>::max());
  EXPECT_EQ(LayoutOfSession(session).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(SessionLayoutTest, UnknownDeltaFormIsRefused) {
  v1::Session session = SessionMessage(784, {128, 10});
  session.mutable_layout()->mutable_layers(1)->set_delta_form(
      static_cast<v1::DeltaForm>(7));
  EXPECT_THAT(std::string(LayoutOfSession(session).status().message()),
              ::testing::HasSubstr("layers[1].delta_form is 7"));
}

TEST(SessionLayoutTest, LayoutWithoutLayersIsRefused) {
  v1::Session session = SessionMessage(784, {128, 10});
  session.mutable_layout()->clear_layers();
  EXPECT_FALSE(LayoutOfSession(session).ok());
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

// The numbers by which the protocol and the contract name a rule are the same.
TEST(LayoutOfTest, TheProtocolsRulesAreTheContracts) {
  const google::protobuf::EnumDescriptor& all = *v1::Rule_descriptor();
  for (int i = 0; i < all.value_count(); ++i) {
    const int number = all.value(i)->number();
    EXPECT_EQ(Rules::Has(number), number != v1::RULE_UNSPECIFIED)
        << all.value(i)->name();
  }
  const auto number = [](Rule rule) { return static_cast<int>(rule); };
  EXPECT_EQ(number(rules::None::kRule), v1::RULE_NONE);
  EXPECT_EQ(number(rules::Sgd::kRule), v1::RULE_SGD);
  EXPECT_EQ(number(rules::Momentum::kRule), v1::RULE_MOMENTUM);
  EXPECT_EQ(number(rules::Nesterov::kRule), v1::RULE_NESTEROV);
  EXPECT_EQ(number(rules::Adagrad::kRule), v1::RULE_ADAGRAD);
  EXPECT_EQ(number(rules::RmsProp::kRule), v1::RULE_RMS_PROP);
  EXPECT_EQ(number(rules::Adam::kRule), v1::RULE_ADAM);
  EXPECT_EQ(number(rules::Lion::kRule), v1::RULE_LION);
}

TEST(LayoutOfTest, WhatDisagreesWithTheRuleIsRefusedByName) {
  v1::Optimiser adam;
  adam.mutable_adam();
  const v1::Session honest =
      testing::WithOptimiser(SessionMessage(4, {2}), adam);
  const struct {
    std::string field;
    std::function<void(v1::Session*)> change;
  } lies[] = {
      {"layout.factor_kind",
       [](auto* s) {
         s->mutable_layout()->set_factor_kind(v1::FACTOR_KIND_DELTA);
       }},
      {"layout.scalar_count",
       [](auto* s) { s->mutable_layout()->set_scalar_count(6); }},
      {"layout.state_count",
       [](auto* s) { s->mutable_layout()->set_state_count(1); }},
      {"layout.rule", [](auto* s) { s->mutable_layout()->clear_rule(); }},
      {"layout.rule",
       [](auto* s) {
         s->mutable_layout()->set_rule(static_cast<v1::Rule>(99));
       }},
  };
  for (const auto& lie : lies) {
    v1::Session session = honest;
    lie.change(&session);
    const absl::Status status = LayoutOfSession(session).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << lie.field;
    EXPECT_THAT(std::string(status.message()),
                ::testing::HasSubstr(lie.field + " is"));
  }
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
