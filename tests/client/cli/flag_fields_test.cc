// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/flag_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "client/cli/flags/command.h"
#include "client/cli/flags/spec_flags.h"
#include "client/cpp/call_status.h"
#include "google/rpc/error_details.pb.h"

namespace backprop::cli {
namespace {

using Violations = std::vector<std::pair<std::string, std::string>>;

absl::Status Refusal(const Violations& violations) {
  google::rpc::BadRequest bad_request;
  for (const auto& [field, description] : violations) {
    auto* added = bad_request.add_field_violations();
    added->set_field(field);
    added->set_description(description);
  }
  google::rpc::ErrorInfo info;
  info.set_domain("backprop.v1");
  info.set_reason("INVALID_REQUEST");
  google::rpc::Status status;
  status.set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
  status.add_details()->PackFrom(bad_request);
  status.add_details()->PackFrom(info);
  return FromRejection(status);
}

class FlagFieldsTest : public ::testing::Test {
 protected:
  FlagFieldsTest() { AddSpecFlags(app_, &flags_); }

  absl::Status Told(const Violations& violations) {
    return InFlags(Refusal(violations), app_.option_names());
  }

  Command app_;
  SpecFlags flags_;
};

TEST_F(FlagFieldsTest, ARefusedFieldIsToldByItsFlag) {
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
      {"spec.class_weights[1]", "--class-weights: number 2 "},
      {"spec.layers", "--layers: "},
      {"spec.layers[2].size", "--layers: layer 3's size "},
      {"spec.layers[0].negative_scale", "--layers: layer 1's negative-scale "},
      {"spec.layers[0].dropout", "--layers: layer 1's dropout "},
  };
  for (const auto& row : rows) {
    const absl::Status told = Told({{row.field, "is wrong"}});
    EXPECT_TRUE(IsUsageError(told)) << row.field;
    EXPECT_EQ(told.message(), row.told + "is wrong");
    EXPECT_EQ(ReasonOf(told), "INVALID_REQUEST");
  }
}

TEST_F(FlagFieldsTest, SoAreFieldsInTheServersWords) {
  EXPECT_EQ(Told({{"spec.input.standardisation.learn_samples",
                   "must be a multiple of batch_size 4"}})
                .message(),
            "--standardise: must be a multiple of --batch-size 4");
}

TEST_F(FlagFieldsTest, WhatNoFlagSetsKeepsItsName) {
  const absl::Status told = Told({{"spec.optimiser.sgd.momentum", "is 2"},
                                  {"fork.session_id", "is unknown"}});
  EXPECT_EQ(told.message(), "--momentum: is 2; fork.session_id: is unknown");
  const Violations none = {{"session_id", "is unknown"},
                           {"spec.input.mean", "is missing"}};
  EXPECT_EQ(Told(none), Refusal(none));
  EXPECT_FALSE(IsUsageError(Told(none)));
  EXPECT_TRUE(InFlags(absl::OkStatus(), app_.option_names()).ok());
}

// A session that is there has its layers: only their dropout can be named.
TEST(FlagFieldsOfUpdateTest, DropoutHasAFlagOfItsOwn) {
  EXPECT_EQ(
      InFlags(Refusal({{"spec.layers[1].dropout", "is 1"}}), {"--dropout"})
          .message(),
      "--dropout: layer 2's dropout is 1");
}

}  // namespace
}  // namespace backprop::cli
