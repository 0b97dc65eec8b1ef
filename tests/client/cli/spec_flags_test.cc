// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/spec_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cli/flags/command.h"
#include "client/cli/flags/layer_text.h"

namespace backprop::cli {
namespace {

using ::testing::HasSubstr;

// What a command line makes of data with 784 inputs, 10 classes and 1,000
// samples, to be gone through 3 times.
absl::StatusOr<v1::SessionSpec> SpecOf(const std::string& command_line,
                                       bool regression = false) {
  Command app;
  SpecFlags flags;
  AddSpecFlags(app, &flags);
  const absl::Status parsed = app.Parse(command_line).status();
  if (!parsed.ok()) return UsageError("", std::string(parsed.message()));
  return MakeSpec(flags, {.input_size = 784,
                          .output_size = regression ? 1U : 10U,
                          .regression = regression,
                          .format = {},
                          .samples = 1000,
                          .train_samples = 3000});
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
      "--digest-every 10 --name mice");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(NetworkText(*spec), "784-32:tanh-16:sigmoid-3:identity");
  EXPECT_EQ(spec->loss(), v1::LOSS_HALF_SQUARED_ERROR);
  EXPECT_EQ(spec->optimiser().learning_rate(), 0.5F);
  EXPECT_EQ(spec->batch_size(), 8U);
  EXPECT_EQ(spec->initialiser().seed(), 7U);
  EXPECT_EQ(spec->initialiser().kind(), v1::INITIALISER_KIND_ZEROS);
  EXPECT_EQ(spec->digest_every(), 10U);
  EXPECT_EQ(spec->display_name(), "mice");
}

// The spec of a command line that must be right, as text.
std::string TextOf(const std::string& command_line) {
  absl::StatusOr<v1::SessionSpec> spec = SpecOf(command_line);
  return spec.ok() ? spec->ShortDebugString() : spec.status().ToString();
}

TEST(SpecFlagsTest, EveryOptimiserTakesItsSettings) {
  const struct {
    std::string flags, optimiser;
  } rows[] = {
      {"", "{ sgd { } learning_rate: 0.01 }"},
      {"--momentum 0.9 --nesterov",
       "{ sgd { momentum: 0.9 nesterov: true } learning_rate: 0.01 }"},
      {"--optimiser adagrad --epsilon 1e-6",
       "{ adagrad { epsilon: 1e-06 } learning_rate: 0.01 }"},
      {"--optimiser rmsprop --rho 0.9 --epsilon 1e-6",
       "{ rms_prop { decay: 0.9 epsilon: 1e-06 } learning_rate: 0.01 }"},
      {"--optimiser adam --beta1 0 --beta2 0.5 --epsilon 1e-6",
       "{ adam { beta1: 0 beta2: 0.5 epsilon: 1e-06 } learning_rate: 0.001 }"},
      {"--optimiser lion --beta1 0.5 --beta2 0 --decoupled-decay 1",
       "{ learning_rate: 0.0001 decoupled_decay: 1 lion { beta1: 0.5 beta2: 0 "
       "} "
       "}"},
      {"--optimiser adamw",
       "{ adam { } learning_rate: 0.001 decoupled_decay: 0.01 }"},
      {"--optimiser adamw --decoupled-decay 0.5 --learning-rate 2",
       "{ adam { } learning_rate: 2 decoupled_decay: 0.5 }"},
      {"--l2 0.1 --l1 0.2 --clip-norm 3 --clip-value 4",
       "{ sgd { } learning_rate: 0.01 l2: 0.1 l1: 0.2 clipping { max_norm: 3 "
       "max_value: 4 } }"},
  };
  for (const auto& row : rows)
    EXPECT_THAT(TextOf(row.flags), HasSubstr("optimiser " + row.optimiser))
        << row.flags;
}

TEST(SpecFlagsTest, EveryScheduleTakesItsSettings) {
  const struct {
    std::string flags, schedule;
  } rows[] = {
      {"--schedule constant --warmup-steps 5", "{ warmup_steps: 5 }"},
      {"--schedule step --schedule-steps 100 --schedule-factor 0.5",
       "{ step { every: 100 factor: 0.5 } }"},
      {"--schedule exponential --schedule-factor 0.5",
       "{ exponential { factor: 0.5 } }"},
      // As long as training, but for the warm-up.
      {"--schedule polynomial --warmup-steps 10 --schedule-min 0.001",
       "{ polynomial { steps: 2990 end_rate: 0.001 } warmup_steps: 10 }"},
      {"--schedule polynomial --schedule-steps 7 --schedule-power 2",
       "{ polynomial { steps: 7 power: 2 } }"},
      {"--schedule inverse-time --schedule-rate 0.5",
       "{ inverse_time { rate: 0.5 } }"},
      {"--schedule cosine --batch-size 10", "{ cosine { period_steps: 300 } }"},
      {"--schedule cosine --schedule-steps 50 --schedule-restarts "
       "--schedule-period-factor 2",
       "{ cosine { period_steps: 50 restarts: true period_factor: 2 } }"},
      {"--schedule plateau --schedule-steps 10 --schedule-patience 0 "
       "--schedule-threshold 0 --schedule-factor 0.5 --schedule-min 0.25",
       "{ plateau { window_steps: 10 factor: 0.5 patience: 0 threshold: 0 "
       "min_rate: 0.25 } }"},
  };
  for (const auto& row : rows)
    EXPECT_THAT(TextOf(row.flags), HasSubstr("schedule " + row.schedule))
        << row.flags;
}

TEST(SpecFlagsTest, EveryActivationLossInitialiserAndFormIsKnown) {
  EXPECT_THAT(
      TextOf("--layers 1:identity,2:sigmoid,3:tanh,4:relu,5:leaky-relu=0.2,"
             "6:elu,7:gelu,8:softplus:dropout=0.5,9:dropout=0.25,10:softmax"),
      HasSubstr("layers { size: 5 activation: ACTIVATION_LEAKY_RELU "
                "negative_scale: 0.2 }"));
  absl::StatusOr<v1::SessionSpec> spec = SpecOf(
      "--layers 5:leaky-relu=0.2,6:elu,8:softplus:dropout=0.5,"
      "9:dropout=0.25,10:softmax");
  EXPECT_EQ(NetworkText(*spec),
            "784-5:leaky-relu=0.2-6:elu-8:softplus:dropout=0.5-"
            "9:identity:dropout=0.25-10:softmax");
  for (const char* loss :
       {"half-squared-error", "mean-squared-error", "mean-absolute-error",
        "huber", "cross-entropy", "binary-cross-entropy", "poisson"})
    EXPECT_TRUE(SpecOf(std::string("--layers 10 --loss ") + loss).ok()) << loss;
  for (const char* kind :
       {"zeros", "glorot-uniform", "glorot-normal", "he-uniform", "he-normal",
        "lecun-uniform", "lecun-normal", "torch-linear", "orthogonal",
        "constant --initialiser-value 0", "uniform --initialiser-value 0.1",
        "normal --initialiser-value 0.1"})
    EXPECT_TRUE(SpecOf(std::string("--initialiser ") + kind).ok()) << kind;
  spec = SpecOf("--delta-form dense,auto");
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->layers(0).delta_form(), v1::DELTA_FORM_DENSE);
  EXPECT_EQ(spec->layers(1).delta_form(), v1::DELTA_FORM_UNSPECIFIED);
  EXPECT_EQ(SpecOf("--delta-form factored")->layers(1).delta_form(),
            v1::DELTA_FORM_FACTORED);
}

TEST(SpecFlagsTest, LossTakesItsSettings) {
  EXPECT_THAT(TextOf("--label-smoothing 0.1"),
              HasSubstr("label_smoothing: 0.1"));
  EXPECT_THAT(TextOf("--class-weights 1,2,1,1,1,1,1,1,1,0.5"),
              HasSubstr("class_weights: 2"));
  EXPECT_THAT(TextOf("--loss huber --layers 1 --huber-delta 0.5"),
              HasSubstr("huber_delta: 0.5"));
}

TEST(SpecFlagsTest, ASessionIsKeptAsTheServerDoesUnlessTold) {
  absl::StatusOr<v1::SessionSpec> spec = SpecOf("");
  ASSERT_TRUE(spec.ok());
  EXPECT_FALSE(spec->has_durability());
  EXPECT_FALSE(spec->has_expire_after());
  EXPECT_THAT(TextOf("--durability memory"),
              HasSubstr("durability { mode: DURABILITY_MODE_MEMORY }"));
  EXPECT_THAT(TextOf("--durability durable"),
              HasSubstr("durability { mode: DURABILITY_MODE_DURABLE }"));
  // Only a durable session has a lag.
  EXPECT_THAT(TextOf("--max-lag 1.005"),
              HasSubstr("durability { mode: DURABILITY_MODE_DURABLE "
                        "max_lag { seconds: 1 nanos: 5000000 } }"));
  EXPECT_THAT(TextOf("--expire-after 604800"),
              HasSubstr("expire_after { seconds: 604800 }"));
  EXPECT_FALSE(SpecOf("--expire-after 0")->has_expire_after());
}

// What is a second but for its rounding is one, not 0 s and 10⁹ ns.
TEST(SpecFlagsTest, NoDurationHasASecondOfNanoseconds) {
  EXPECT_THAT(TextOf("--max-lag 0.9999999999"),
              HasSubstr("max_lag { seconds: 1 }"));
}

TEST(SpecFlagsTest, StandardisationLearnsFromAllOrAsManyAsAreNamed) {
  const auto learns = [](const std::string& flags) {
    return SpecOf(flags)->input().standardisation().learn_samples();
  };
  EXPECT_EQ(learns(""), 0U);
  EXPECT_EQ(learns("--standardise"), 1000U);
  EXPECT_EQ(learns("--standardise --batch-size 300"), 900U);
  EXPECT_EQ(learns("--standardise 64"), 64U);
}

TEST(SpecFlagsTest, TheLeastDeviationIsTheServersUnlessGiven) {
  const auto least = [](const std::string& command_line) {
    return SpecOf(command_line)->input().standardisation().min_deviation();
  };
  EXPECT_EQ(least("--standardise"), 0);
  EXPECT_EQ(least("--standardise --min-deviation 0.02"), 0.02F);
}

TEST(SpecFlagsTest, SpecFlagsAreToldFromThoseOfTraining) {
  Command app;
  SpecFlags flags;
  AddSpecFlags(app, &flags);
  ASSERT_TRUE(app.Parse("--seed 3").ok());
  EXPECT_EQ(FirstSpecFlag(app), "");
  ASSERT_TRUE(app.Parse("--seed 3 --schedule-min 0.1").ok());
  EXPECT_EQ(FirstSpecFlag(app), "--schedule-min");
}

// What can be said without the server: words that are not known, and flags that
// contradict each other. What a number must be like is the server's to say
// (command_test.py).
TEST(SpecFlagsTest, ErrorsNameTheFlagAndTheChoices) {
  const struct {
    std::string command_line, flag, advice;
  } wrong[] = {
      {"--layers relu", "--layers", "128:leaky-relu=0.2"},
      {"--layers 8:elu=c", "--layers", "a constant that is no number"},
      {"--layers 8:relu:dropout=d", "--layers", "a dropout that is no number"},
      {"--layers 8x:relu", "--layers", "8x"},
      {"--layers 99999999999", "--layers", "size"},
      {"--layers 8:swish", "--layers", "identity, sigmoid, tanh, relu"},
      {"--layers 8:relu:tanh", "--layers", "only dropout=SHARE"},
      {"--layers 8:relu:dropout", "--layers", "only dropout=SHARE"},
      {"--loss mse", "--loss", "mean-squared-error, mean-absolute-error"},
      {"--initialiser he", "--initialiser", "he-uniform"},
      {"--learning-rate 0", "--learning-rate", "other than 0"},
      {"--learning-rate nan", "--learning-rate", "is not a number"},
      {"--learning-rate 1e99", "--learning-rate", "is not a number"},
      {"--optimiser lbfgs", "--optimiser", "adagrad, rmsprop, adam, lion"},
      {"--optimiser adam --momentum 0.9", "--momentum", "setting of sgd"},
      {"--beta1 0.9", "--beta1", "this optimiser is sgd"},
      {"--beta2 0.9", "--beta2", "this optimiser is sgd"},
      {"--rho 0.9", "--rho", "setting of rmsprop"},
      {"--epsilon 1e-8", "--epsilon", "adagrad, rmsprop and adam"},
      {"--beta2 0.9", "--beta2", "adam and lion"},
      {"--optimiser lion --epsilon 1e-8", "--epsilon", "optimiser is lion"},
      {"--optimiser adam --epsilon 0", "--epsilon", "other than 0"},
      {"--nesterov", "--nesterov", "--momentum"},
      {"--schedule linear", "--schedule", "polynomial"},
      {"--schedule-min 0", "--schedule-min", "name one"},
      {"--schedule cosine --schedule-power 2", "--schedule-power",
       "cosine has"},
      {"--schedule cosine --schedule-restarts", "--schedule-steps", "period"},
      {"--schedule cosine --warmup-steps 3000", "--warmup-steps", "3000"},
      {"--huber-delta 1", "--huber-delta", "setting of the loss huber"},
      {"--class-weights 1,x", "--class-weights", "'x'"},
      // Of these nothing would be left in the request.
      {"--loss huber --layers 1 --label-smoothing 0", "--label-smoothing",
       "loss is huber"},
      {"--loss huber --layers 1 --class-weights none", "--class-weights",
       "loss is huber"},
      {"--initialiser-value 0", "--initialiser-value",
       "he-uniform has no such setting"},
      {"--initialiser orthogonal --initialiser-value 0", "--initialiser-value",
       "leave it out"},
      {"--delta-form thin", "--delta-form", "auto, factored, dense"},
      {"--delta-form dense,dense,dense", "--delta-form", "2 layers"},
      {"--standardise few", "--standardise", "'few'"},
      {"--standardise 0", "--standardise", "'0'"},
      {"--loss huber --layers 1 --huber-delta 0", "--huber-delta",
       "other than 0"},
      {"--schedule exponential --schedule-factor 0", "--schedule-factor",
       "other than 0"},
      {"--standardise 1001", "--standardise", "1000"},
      {"--durability disk", "--durability", "choose one of memory, durable"},
      {"--durability memory --max-lag 1", "--max-lag", "--durability durable"},
      {"--max-lag 20ms", "--max-lag", "'20ms' is not a number of seconds"},
      {"--min-deviation 0.1", "--min-deviation", "--standardise"},
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
