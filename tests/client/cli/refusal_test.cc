// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cli/flags/command.h"
#include "client/cli/flags/spec_flags.h"
#include "client/cpp/call_status.h"
#include "tests/client/error_status.h"

namespace backprop::cli {
namespace {

using backprop::testing::Violations;

absl::Status Refusal(const Violations& violations) {
  google::rpc::Status status =
      backprop::testing::ErrorStatus("INVALID_REQUEST", violations);
  status.set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  return FromRejection(status);
}

class RefusalTest : public ::testing::Test {
 protected:
  RefusalTest() { AddSpecFlags(app_, &flags_); }

  // Every flag of the command, as if all or none had been given.
  std::vector<OptionUse> Options(bool given) const {
    std::vector<OptionUse> options;
    for (const std::string& name : app_.option_names()) {
      options.push_back({name, given});
    }
    return options;
  }

  absl::Status Told(const Violations& violations, bool given = true) const {
    return InFlags(Refusal(violations), Options(given));
  }

  Command app_;
  SpecFlags flags_;
};

TEST_F(RefusalTest, ARefusedFieldIsToldByItsFlag) {
  const struct {
    std::string field, told;
  } rows[] = {
      {"spec.optimiser.sgd.momentum", "--momentum: "},
      {"spec.optimiser.rms_prop.decay", "--rho: "},
      {"spec.optimiser.clipping.max_norm", "--clip-norm: "},
      {"spec.optimiser.learning_rate", "--learning-rate: "},
      {"spec.optimiser.schedule.step.every", "--schedule-steps: "},
      {"spec.optimiser.schedule.plateau.min_rate", "--schedule-min: "},
      {"spec.optimiser.schedule.cosine.period_factor",
       "--schedule-period-factor: "},
      {"spec.optimiser.schedule.inverse_time.rate", "--schedule-rate: "},
      {"spec.optimiser.schedule.warmup_steps", "--warmup-steps: "},
      {"spec.initialiser.value", "--initialiser-value: "},
      {"spec.input.standardisation.learn_samples", "--standardise: "},
      {"spec.input.standardisation.min_deviation", "--min-deviation: "},
      {"spec.loss", "--loss: "},
      {"spec.display_name", "--name: "},
      {"spec.durability.mode", "--durability: "},
      {"spec.durability.max_lag", "--max-lag: "},
      {"spec.expire_after", "--expire-after: "},
      {"spec.class_weights[1]", "--class-weights: number 2 "},
      {"spec.layers", "--layers: "},
      {"spec.layers[2].size", "--layers: layer 3's size "},
      {"spec.layers[0].negative_scale", "--layers: layer 1's constant "},
      {"spec.layers[1].delta_form", "--delta-form: layer 2's form "},
      {"spec.layers[0].dropout", "--layers: layer 1's dropout "},
  };
  for (const auto& row : rows) {
    const absl::Status told = Told({{row.field, "is wrong"}});
    EXPECT_TRUE(IsUsageError(told)) << row.field;
    EXPECT_EQ(told.message(), row.told + "is wrong");
    EXPECT_EQ(ReasonOf(told), "INVALID_REQUEST");
  }
}

TEST_F(RefusalTest, SoAreTheProtocolsWordsInWhatTheServerSays) {
  const struct {
    std::string field, said, told;
  } rows[] = {
      {"spec.input.standardisation.learn_samples",
       "must be a multiple of batch_size 4",
       "--standardise: must be a multiple of --batch-size 4"},
      {"spec.input.standardisation.min_deviation", "goes with learn_samples",
       "--min-deviation: goes with --standardise"},
      // Of the three rates near it, the one in the message around it.
      {"spec.optimiser.schedule.cosine.min_rate",
       "must be at most learning_rate, above 1e-05.",
       "--schedule-min: must be at most --learning-rate, above 1e-05."},
      {"spec.layers[0].negative_scale", "is for LEAKY_RELU and ELU only",
       "--layers: layer 1's constant is for leaky-relu and elu only"},
      {"spec.initialiser.value", "must be set for CONSTANT: not 0 (ZEROS is)",
       "--initialiser-value: must be set for constant: not 0 (zeros is)"},
      {"spec.layers[1].activation", "needs cross-entropy as the loss: set loss",
       "--layers: layer 2's activation needs cross-entropy as the loss: set "
       "--loss"},
      {"spec.layers", "with layer 0 a step holds 7 numbers: set no_such_field",
       "--layers: with layer 1 a step holds 7 numbers: set no_such_field"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(Told({{row.field, row.said}}).message(), row.told);
}

TEST_F(RefusalTest, AFlagThatNobodyTypedIsToldToBeSo) {
  const auto told = [this](const std::string& field,
                           const std::string& description) {
    return std::string(Told({{field, description}}, false).message());
  };
  EXPECT_EQ(told("spec.initialiser.value", "is 0; must be set for NORMAL"),
            "--initialiser-value: is not given; must be set for normal");
  EXPECT_EQ(told("spec.layers[1].activation", "softmax is for others"),
            "--layers (not given): layer 2's activation softmax is for others");
  EXPECT_EQ(told("spec.optimiser.schedule.step.every", "is 07; must be 8"),
            "--schedule-steps (not given): is 07; must be 8");
  EXPECT_EQ(Told({{"spec.optimiser.l2", "is 0; must be 1"}}).message(),
            "--l2: is 0; must be 1");
}

// As where the server's own message is more than its violations, or where it
// sends no more than the first of them in the details.
TEST_F(RefusalTest, NothingThatTheServerSaidIsLost) {
  google::rpc::Status status = backprop::testing::ErrorStatus(
      "INVALID_REQUEST", {{"spec.optimiser.l2", "is -1; must be finite"}});
  status.set_message(
      "the request is not valid; spec.optimiser.l2: is -1; must be finite; "
      "spec.layers[16].size: must be at least 1; spec.layers[17].si");
  for (const auto code : {absl::StatusCode::kInvalidArgument,
                          absl::StatusCode::kResourceExhausted}) {
    status.set_code(static_cast<int>(code));
    const absl::Status told = InFlags(FromRejection(status), Options(true));
    EXPECT_EQ(told.code(), code);
    EXPECT_EQ(told.message(),
              "the request is not valid; --l2: is -1; must be finite; "
              "--layers: layer 17's size must be at least 1; "
              "spec.layers[17].si");
    EXPECT_EQ(ViolationsOf(told).size(), 1U);
    // Another command line would be no better.
    EXPECT_EQ(IsUsageError(told), code == absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(RefusalTest, WhatNoFlagSetsKeepsItsName) {
  const absl::Status told = Told({{"spec.optimiser.sgd.momentum", "is 2"},
                                  {"fork.session_id", "is unknown"},
                                  {"layers", "are not the spec's"}});
  EXPECT_EQ(told.message(),
            "--momentum: is 2; fork.session_id: is unknown; layers: are not "
            "the spec's");
  const Violations none = {{"session_id", "is unknown"},
                           {"spec.input.mean", "is missing"}};
  EXPECT_EQ(Told(none), Refusal(none));
  EXPECT_FALSE(IsUsageError(Told(none)));
  EXPECT_TRUE(InFlags(absl::OkStatus(), Options(true)).ok());
}

// A session that is there has its layers: only their dropout can be named.
TEST(RefusalOfUpdateTest, DropoutHasAFlagOfItsOwn) {
  EXPECT_EQ(InFlags(Refusal({{"spec.layers[1].dropout", "is 1"}}),
                    {{"--dropout", true}})
                .message(),
            "--dropout: layer 2's dropout is 1");
}

TEST(RefusalOfForkTest, FieldsBesideTheSpecHaveFlagsToo) {
  const std::vector<OptionUse> options = {
      {"--session", true}, {"--with-state", true}, {"--optimiser", true}};
  EXPECT_EQ(InFlags(Refusal({{"fork.session_id", "is required"},
                             {"spec.optimiser", "leave fork.with_state out"}}),
                    options)
                .message(),
            "--session: is required; --optimiser: leave --with-state out");
}

}  // namespace
}  // namespace backprop::cli
