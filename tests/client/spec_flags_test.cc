// SPDX-License-Identifier: Apache-2.0
#include "client/cli/spec_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/command.h"

namespace backprop::cli {
namespace {

using ::testing::HasSubstr;

// What a command line makes of data with 784 inputs and 10 classes.
absl::StatusOr<v1::SessionSpec> SpecOf(const std::string& command_line,
                                       bool regression = false) {
  CLI::App app;
  SpecFlags flags;
  AddSpecFlags(app, &flags);
  app.parse(command_line);
  return MakeSpec(flags, {.input_size = 784,
                          .output_size = regression ? 1U : 10U,
                          .regression = regression,
                          .format = {}});
}

TEST(SpecFlagsTest, DefaultsFitImageClassification) {
  absl::StatusOr<v1::SessionSpec> spec = SpecOf("");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(NetworkText(*spec), "784-128:relu-10:softmax");
  EXPECT_EQ(spec->loss(), v1::LOSS_CROSS_ENTROPY);
  EXPECT_EQ(spec->initialiser().kind(), v1::INITIALISER_KIND_HE_UNIFORM);
  EXPECT_EQ(spec->batch_size(), 1U);
}

TEST(SpecFlagsTest, RegressionEndsInOneIdentityOutput) {
  absl::StatusOr<v1::SessionSpec> spec = SpecOf("", true);
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(NetworkText(*spec), "784-128:relu-1:identity");
  EXPECT_EQ(spec->loss(), v1::LOSS_HALF_SQUARED_ERROR);
}

TEST(SpecFlagsTest, EveryFlagReachesTheSpec) {
  absl::StatusOr<v1::SessionSpec> spec = SpecOf(
      "--layers 32:tanh,16:sigmoid,3 --loss half-squared-error "
      "--learning-rate 0.5 --batch-size 8 --seed 7 --initialiser zeros "
      "--digest-every 10");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(NetworkText(*spec), "784-32:tanh-16:sigmoid-3:identity");
  EXPECT_EQ(spec->loss(), v1::LOSS_HALF_SQUARED_ERROR);
  EXPECT_EQ(spec->optimiser().sgd().learning_rate(), 0.5F);
  EXPECT_EQ(spec->batch_size(), 8U);
  EXPECT_EQ(spec->initialiser().seed(), 7U);
  EXPECT_EQ(spec->initialiser().kind(), v1::INITIALISER_KIND_ZEROS);
  EXPECT_EQ(spec->digest_every(), 10U);
}

TEST(SpecFlagsTest, ErrorsNameTheFlagAndTheChoices) {
  const struct {
    std::string command_line, flag, advice;
  } wrong[] = {
      {"--layers 0:relu", "--layers", "at least 1"},
      {"--layers relu", "--layers", "128:relu,10:softmax"},
      {"--layers 8x:relu", "--layers", "8x"},
      {"--layers 99999999999", "--layers", "size"},
      {"--layers 8:swish", "--layers", "identity, sigmoid, tanh, relu"},
      {"--loss mse", "--loss", "half-squared-error, cross-entropy"},
      {"--initialiser he", "--initialiser", "he-uniform"},
      {"--learning-rate 0", "--learning-rate", "greater than 0"},
      {"--learning-rate nan", "--learning-rate", "greater than 0"},
  };
  for (const auto& line : wrong) {
    const absl::Status status = SpecOf(line.command_line).status();
    EXPECT_TRUE(IsUsageError(status)) << line.command_line;
    const std::string message(status.message());
    EXPECT_TRUE(message.starts_with(line.flag + ": ")) << message;
    EXPECT_THAT(message, HasSubstr(line.advice));
  }
}

}  // namespace
}  // namespace backprop::cli
