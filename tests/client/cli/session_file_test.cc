// SPDX-License-Identifier: Apache-2.0
#include "client/cli/data/session_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "engine/interchange/safetensors.h"

namespace backprop::cli {
namespace {

using ::testing::HasSubstr;

// Of any bits, but finite.
double AnyDouble(std::mt19937_64& random) {
  while (true) {
    const auto number = std::bit_cast<double>(random());
    if (std::isfinite(number)) return number;
  }
}

float AnyFloat(std::mt19937_64& random) {
  while (true) {
    const auto number =
        std::bit_cast<float>(static_cast<uint32_t>(random() >> 32));
    if (std::isfinite(number)) return number;
  }
}

// 2 inputs, 1 output, Adam: 3 weights, 6 numbers of state. All else that JSON
// may round is drawn.
Anchor AnyAnchor(uint64_t seed) {
  std::mt19937_64 random(seed);
  Anchor anchor{.step = random() >> 11,
                .next_offset = random() >> 11,
                .digest = random(),
                .weights = {1, -0.0F, AnyFloat(random)},
                .state = {1, 2, 3, 4, 5, AnyFloat(random)},
                .mean = {AnyFloat(random), -0.0F},
                .factor = {AnyFloat(random), 1}};
  anchor.spec.set_input_size(2);
  anchor.spec.add_layers()->set_size(1);
  anchor.spec.set_display_name("\"née\" \\ \n");
  anchor.spec.mutable_durability()->set_mode(v1::DURABILITY_MODE_DURABLE);
  anchor.spec.mutable_optimiser()->set_learning_rate(AnyFloat(random));
  anchor.spec.mutable_optimiser()->mutable_adam();
  v1::Continuation& rest = anchor.continuation;
  rest.set_rule(v1::RULE_ADAM);
  rest.set_state_age(random() >> 11);
  rest.mutable_plateau()->set_window_sum(AnyDouble(random));
  rest.mutable_plateau()->set_best(-0.0);
  rest.mutable_plateau()->set_rate(std::numeric_limits<float>::denorm_min());
  v1::StandardisationSums& sums = *rest.mutable_learning();
  for (const double number :
       {AnyDouble(random), -0.0, std::numeric_limits<double>::denorm_min(),
        std::numeric_limits<double>::max(), 0.1}) {
    sums.add_mean(number);
  }
  for (const float number :
       {AnyFloat(random), -0.0F, std::numeric_limits<float>::max(),
        std::numeric_limits<float>::lowest(), 0.1F}) {
    sums.add_least(number);
  }
  return anchor;
}

std::string Fault(const std::string& bytes) {
  const auto request = ReadSessionFile(bytes, std::nullopt);
  return request.ok() ? "none" : std::string(request.status().message());
}

TEST(SessionFileTest, AnAnchorWithStateComesBackToTheBit) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Anchor anchor = AnyAnchor(seed);
    const auto bytes = SessionFileBytes(anchor, /*with_state=*/true);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto read = ReadSessionFile(*bytes, std::nullopt);
    ASSERT_TRUE(read.ok()) << read.status();
    const v1::Anchor expected = AnchorMessage(anchor);
    EXPECT_EQ(read->initial().SerializeAsString(), expected.SerializeAsString())
        << "seed " << seed << "\n"
        << read->initial().DebugString() << expected.DebugString();
    v1::SessionSpec spec = anchor.spec;
    spec.clear_durability();
    EXPECT_EQ(read->spec().SerializeAsString(), spec.SerializeAsString());
  }
}

TEST(SessionFileTest, WithoutStateItIsWeightsAndWhatTheyWereTrainedOn) {
  const Anchor anchor = AnyAnchor(1);
  const auto bytes = SessionFileBytes(anchor, /*with_state=*/false);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto read = ReadSessionFile(*bytes, std::nullopt);
  ASSERT_TRUE(read.ok()) << read.status();
  v1::Anchor expected = AnchorMessage(anchor);
  EXPECT_EQ(read->initial().weights(), expected.weights());
  EXPECT_EQ(read->initial().standardisation().SerializeAsString(),
            expected.standardisation().SerializeAsString());
  EXPECT_EQ(read->initial().step(), 0);
  EXPECT_EQ(read->initial().next_offset(), 0);
  EXPECT_EQ(read->initial().state(), "");
  EXPECT_EQ(read->initial().continuation().ByteSizeLong(), 0);
  const auto file = ParseSafetensors(*bytes);
  EXPECT_EQ(file->metadata.at("backprop.step"), std::to_string(anchor.step));
}

TEST(SessionFileTest, AnchorsOfAnotherSizeThanTheSpecSaysAreRefused) {
  Anchor anchor = AnyAnchor(1);
  anchor.weights.push_back(1);
  EXPECT_TRUE(absl::IsDataLoss(SessionFileBytes(anchor, false).status()));
  anchor.weights.pop_back();
  anchor.state.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(SessionFileBytes(anchor, true).status()));
}

// Field 1000 of any message, which a newer protocol may have.
void AddUnknown(google::protobuf::Message* message) {
  message->GetReflection()->MutableUnknownFields(message)->AddVarint(1000, 1);
}

TEST(SessionFileTest, WhatANewerServerSaysIsNotLeftOut) {
  const auto fault = [](const Anchor& anchor) {
    const absl::Status status = SessionFileBytes(anchor, true).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("a newer client is needed"));
    return std::string(status.message());
  };
  Anchor anchor = AnyAnchor(1);
  AddUnknown(&anchor.spec);
  EXPECT_THAT(fault(anchor), HasSubstr("backprop.v1.SessionSpec has fields"));
  anchor = AnyAnchor(1);
  AddUnknown(anchor.spec.mutable_optimiser()->mutable_adam());
  EXPECT_THAT(fault(anchor), HasSubstr("backprop.v1.SessionSpec has fields"));
  anchor = AnyAnchor(1);
  AddUnknown(anchor.continuation.mutable_plateau());
  EXPECT_THAT(fault(anchor), HasSubstr("backprop.v1.Anchor has fields"));
  EXPECT_TRUE(SessionFileBytes(anchor, /*with_state=*/false).ok());
  anchor = AnyAnchor(1);
  anchor.has_more = true;
  EXPECT_THAT(fault(anchor),
              HasSubstr("backprop.v1.GetWeightsResponse has fields"));
}

TEST(SessionFileTest, AnotherToolsFileNeedsASpec) {
  const std::string bytes = SafetensorsBytes(
      {.metadata = {},
       .tensors = {
           {"layers.0.weight", {1, 2}, std::string_view("\0\0\0\0\0\0\0\0", 8)},
           {"layers.0.bias", {1}, std::string_view("\0\0\x80\x3f", 4)}}});
  EXPECT_THAT(Fault(bytes), HasSubstr("no backprop.spec"));
  const auto spec = SpecFromJson(
      R"({"input_size": 2, "layers": [{"size": 1}]})", "spec.json");
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto read = ReadSessionFile(bytes, *spec);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->initial().weights().substr(8),
            std::string("\0\0\x80\x3f", 4));
}

TEST(SessionFileTest, ASpecThatIsNoneIsRefusedWithWhatHoldsIt) {
  for (const std::string json :
       {"", "{", "[]", R"({"input_sise": 2})", R"({"input_size": -1})"}) {
    const auto spec = SpecFromJson(json, "spec.json");
    EXPECT_THAT(std::string(spec.status().message()),
                HasSubstr("spec.json is not backprop.v1.SessionSpec as JSON: "))
        << json;
  }
  EXPECT_THAT(Fault(SafetensorsBytes(
                  {.metadata = {{"backprop.spec", "{\"layers\": 3}"}}})),
              HasSubstr("backprop.spec of the metadata is not"));
  EXPECT_THAT(Fault(SafetensorsBytes({.metadata = {{"backprop.spec", "{}"}}})),
              HasSubstr("input_size"));
  EXPECT_THAT(Fault(SafetensorsBytes(
                  {.metadata = {{"backprop.spec",
                                 R"({"input_size":4294967295,)"
                                 R"("layers":[{"size":4294967295}]})"}}})),
              HasSubstr("layer 0"));
}

}  // namespace
}  // namespace backprop::cli
