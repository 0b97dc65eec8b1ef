// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules against the manual's words; see also
// schedule_golden_test.cc.
#include "engine/training/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kEver = std::numeric_limits<uint64_t>::max();

using Kind = decltype(Schedule::kind);

Schedule Base(const Kind& kind) {
  return {.kind = kind, .learning_rate = 0.5F};
}

// Of each kind one, with a length of `steps` where the kind has one.
std::vector<Kind> EveryKind(uint64_t steps, float factor) {
  const std::vector<Kind> kinds = {
      ConstantRate{},
      StepDecay{.every = steps, .factor = factor},
      ExponentialDecay{.factor = factor},
      PolynomialDecay{.steps = steps},
      InverseTimeDecay{.rate = 0.1F},
      CosineDecay{
          .period_steps = steps, .restarts = true, .period_factor = 1.4F},
      ReduceOnPlateau{.window_steps = steps, .factor = factor, .patience = 1}};
  EXPECT_EQ(kinds.size(), std::variant_size_v<Kind>);
  return kinds;
}

float RateAt(const Schedule& schedule, uint64_t age) {
  return LearningRate(schedule).Rate(age);
}

TEST(ScheduleTest, AConstantRateIsGivenBackAsItCame) {
  const Schedule schedule{.learning_rate = 0.1F};
  EXPECT_EQ(RateAt(schedule, 0), 0.1F);
  EXPECT_EQ(RateAt(schedule, kEver - 1), 0.1F);
  EXPECT_EQ(LearningRate(schedule).StepsUntilDecision(), kEver);
}

TEST(ScheduleTest, WarmUpRisesToTheBaseWhateverTheKind) {
  for (const Kind& kind : EveryKind(10, 0.1F)) {
    Schedule schedule = Base(kind);
    schedule.warmup_steps = 3;
    const size_t number = kind.index();
    EXPECT_EQ(RateAt(schedule, 0), 0.125F) << number;
    EXPECT_EQ(RateAt(schedule, 1), 0.25F) << number;
    EXPECT_EQ(RateAt(schedule, 2), 0.375F) << number;
    EXPECT_EQ(RateAt(schedule, 3), 0.5F) << number;
    Schedule cold = schedule;
    cold.warmup_steps = 0;
    for (const uint64_t age : {1, 5, 9, 10}) {
      EXPECT_EQ(RateAt(schedule, 3 + age), RateAt(cold, age)) << number;
    }
  }
}

TEST(ScheduleTest, APolynomialEndsAtItsEnd) {
  PolynomialDecay polynomial{.steps = 10, .end_rate = 0.25F};
  const Schedule schedule = Base(polynomial);
  EXPECT_EQ(RateAt(schedule, 0), 0.5F);
  EXPECT_EQ(RateAt(schedule, 5), 0.375F);
  EXPECT_EQ(RateAt(schedule, 10), 0.25F);
  EXPECT_EQ(RateAt(schedule, 1000), 0.25F);
  polynomial.power = 2;
  EXPECT_EQ(RateAt(Base(polynomial), 5), 0.3125F);
}

TEST(ScheduleTest, WithoutRestartsACosineStaysAtItsLeast) {
  const Schedule schedule =
      Base(CosineDecay{.period_steps = 10, .min_rate = 0.25F});
  EXPECT_EQ(RateAt(schedule, 0), 0.5F);
  EXPECT_EQ(RateAt(schedule, 5), 0.375F);
  EXPECT_GT(RateAt(schedule, 9), 0.25F);
  EXPECT_EQ(RateAt(schedule, 10), 0.25F);
  EXPECT_EQ(RateAt(schedule, kEver - 1), 0.25F);
}

// Periods of 3, 5 (4.5 rounded), 8 (7.5), 12, 18 … steps.
TEST(ScheduleTest, PeriodsGrowByTheirFactorToTheNearestStep) {
  const Schedule schedule = Base(
      CosineDecay{.period_steps = 3, .restarts = true, .period_factor = 1.5F});
  std::vector<uint64_t> starts;
  LearningRate rate(schedule);
  const std::vector<float> one = {1.0F};
  for (uint64_t age = 0; age < 50; ++age) {
    EXPECT_EQ(rate.Rate(0), RateAt(schedule, age)) << age;
    if (rate.Rate(0) == 0.5F) starts.push_back(age);
    rate.Record(one);
  }
  EXPECT_THAT(starts, ElementsAre(0, 3, 8, 16, 28, 46));
}

// Neither a period that can't grow nor one that outgrows all numbers takes
// long, or forever.
TEST(ScheduleTest, FarAgesAreFoundAtOnce) {
  CosineDecay cosine{.period_steps = 10, .restarts = true};
  cosine.period_factor = 1.01F;  // 10.1 rounds to 10
  EXPECT_EQ(RateAt(Base(cosine), uint64_t{10} << 50), 0.5F);
  cosine.period_factor = std::numeric_limits<float>::max();
  const Schedule schedule = Base(cosine);
  EXPECT_EQ(RateAt(schedule, 10), 0.5F);
  EXPECT_LT(RateAt(schedule, kEver - 1), 0.5F);
  EXPECT_GE(RateAt(schedule, kEver - 1), 0);
}

// Records windows that are all alike.
void RecordWindows(LearningRate& rate, float error, size_t windows) {
  for (size_t i = 0; i < windows; ++i) {
    const std::vector<float> errors(rate.StepsUntilDecision(), error);
    rate.Record(errors);
  }
}

TEST(PlateauTest, PatienceIsHowManyWindowsMayPass) {
  const Schedule schedule =
      Base(ReduceOnPlateau{.window_steps = 10, .factor = 0.5F, .patience = 2});
  LearningRate rate(schedule);
  RecordWindows(rate, 1, 3);  // the best, and two that are no better
  EXPECT_EQ(rate.Rate(0), 0.5F);
  RecordWindows(rate, 1, 1);
  EXPECT_EQ(rate.Rate(0), 0.25F);
  RecordWindows(rate, 1, 2);  // the count began anew
  EXPECT_EQ(rate.Rate(0), 0.25F);
  RecordWindows(rate, 1, 1);
  EXPECT_EQ(rate.Rate(0), 0.125F);
}

// Halves the rate after each window that is not better by a quarter.
const Schedule kQuarterBetter = Base(ReduceOnPlateau{
    .window_steps = 10, .factor = 0.5F, .patience = 0, .threshold = 0.25F});

TEST(PlateauTest, ABetterWindowIsBetterByTheThreshold) {
  LearningRate rate(kQuarterBetter);
  RecordWindows(rate, 8, 1);
  RecordWindows(rate, 5.5F, 1);
  EXPECT_EQ(rate.Rate(0), 0.5F);
  RecordWindows(rate, 4.125F, 1);  // exactly 5.5·(1 − 0.25): not below it
  EXPECT_EQ(rate.Rate(0), 0.25F);
}

TEST(PlateauTest, NegativeErrorsMustFallByTheThresholdToo) {
  LearningRate rate(kQuarterBetter);
  RecordWindows(rate, -8, 1);
  RecordWindows(rate, -10, 1);  // exactly −8 − 0.25·8: not below it
  EXPECT_EQ(rate.Rate(0), 0.25F);
  RecordWindows(rate, -10.5F, 1);
  EXPECT_EQ(rate.Rate(0), 0.25F);
  RecordWindows(rate, -10.5F, 1);  // no better than itself
  EXPECT_EQ(rate.Rate(0), 0.125F);
}

TEST(PlateauTest, TheRateNeverFallsBelowItsLeast) {
  const Schedule schedule = Base(ReduceOnPlateau{
      .window_steps = 10, .factor = 0.01F, .patience = 0, .min_rate = 0.125F});
  LearningRate rate(schedule);
  RecordWindows(rate, 1, 5);
  EXPECT_EQ(rate.Rate(0), 0.125F);
}

TEST(PlateauTest, AWindowMayComeInPieces) {
  const Schedule schedule =
      Base(ReduceOnPlateau{.window_steps = 10, .patience = 0});
  LearningRate rate(schedule);
  RecordWindows(rate, 1, 1);
  EXPECT_EQ(rate.StepsUntilDecision(), 10);
  rate.Record(std::vector<float>(4, 0.0F));
  EXPECT_EQ(rate.StepsUntilDecision(), 6);
  EXPECT_EQ(rate.Rate(5), 0.5F);
  rate.Record(std::vector<float>(6, 1.0F));  // mean 0.6: better
  EXPECT_EQ(rate.StepsUntilDecision(), 10);
  EXPECT_EQ(rate.Rate(0), 0.5F);
}

TEST(PlateauTest, WindowsBeginAfterTheWarmUp) {
  Schedule schedule = Base(ReduceOnPlateau{.window_steps = 10, .patience = 0});
  schedule.warmup_steps = 7;
  LearningRate rate(schedule);
  EXPECT_EQ(rate.StepsUntilDecision(), 17);
  rate.Record(std::vector<float>(5, 0.0F));  // would be the best of all
  EXPECT_EQ(rate.StepsUntilDecision(), 12);
  rate.Record(std::vector<float>(2, 0.0F));
  rate.Record(std::vector<float>(10, 2.0F));
  RecordWindows(rate, 1, 1);
  EXPECT_EQ(rate.Rate(0), 0.5F);
  RecordWindows(rate, 1, 1);
  EXPECT_EQ(rate.Rate(0), 0.05F);
}

// Errors that fall, rise and fall, so that a plateau's rate falls now and then.
std::vector<float> Errors(size_t count) {
  std::vector<float> errors;
  for (size_t i = 0; i < count; ++i) {
    errors.push_back(1 + std::sin(static_cast<float>(i) / 9) / 2);
  }
  return errors;
}

TEST(SchedulePositionTest, GoesOnFromEveryAgeAsTheScheduleItself) {
  const std::vector<float> errors = Errors(300);
  for (const Kind& kind : EveryKind(7, 0.9F)) {
    Schedule schedule = Base(kind);
    schedule.warmup_steps = 5;
    LearningRate whole(schedule);
    std::vector<float> rates;
    for (size_t i = 0; i < errors.size(); ++i) {
      const SchedulePosition position = whole.position();
      EXPECT_THAT(Validate(position, schedule), IsEmpty());
      LearningRate again(schedule, position);
      for (size_t k = i; k < errors.size(); ++k) {
        if (k < rates.size()) {
          ASSERT_EQ(again.Rate(0), rates[k]) << kind.index() << ' ' << i;
        } else {
          rates.push_back(again.Rate(0));
        }
        again.Record({&errors[k], 1});
      }
      whole.Record({&errors[i], 1});
      EXPECT_EQ(again.position().age, errors.size());
    }
    if (std::holds_alternative<ReduceOnPlateau>(kind)) {
      EXPECT_LT(whole.Rate(0), 0.3F) << "the rate fell several times";
    }
  }
}

TEST(SchedulePositionTest, OneThatNoScheduleComesToIsRefusedByField) {
  Schedule schedule = Base(
      ReduceOnPlateau{.window_steps = 10, .patience = 2, .min_rate = 0.1F});
  const PlateauPosition good{.window_sum = 1,
                             .window_steps = 9,
                             .best = 0.5,
                             .bad_windows = 2,
                             .rate = 0.1F};
  const auto refused = [&](const PlateauPosition& plateau) {
    return Fields(
        Validate(SchedulePosition{.age = 9, .plateau = plateau}, schedule));
  };
  EXPECT_THAT(refused(good), IsEmpty());
  const double infinite = std::numeric_limits<double>::infinity();
  PlateauPosition bad = good;
  bad.window_sum = -infinite;
  bad.best = infinite;
  bad.window_steps = 10;
  bad.bad_windows = 3;
  bad.rate = 0.6F;
  EXPECT_THAT(refused(bad), ElementsAre("plateau.window_sum",
                                        "plateau.window_steps", "plateau.best",
                                        "plateau.bad_windows", "plateau.rate"));
  bad = good;
  bad.rate = 0.09F;
  EXPECT_THAT(refused(bad), ElementsAre("plateau.rate"));
  schedule.kind = StepDecay{.every = 10};
  EXPECT_THAT(refused(good), ElementsAre("plateau"));
}

// Periods of 2^22 steps that grow by one step each: 46 million of them would
// have to be walked for the largest age that is let in.
TEST(SchedulePositionTest, OneThatIsTooManyPeriodsAwayIsRefused) {
  CosineDecay cosine{.period_steps = uint64_t{1} << 22,
                     .restarts = true,
                     .period_factor = 1 + 0x1p-23F};
  const auto refused = [&](uint64_t age) {
    Schedule schedule = Base(cosine);
    schedule.warmup_steps = 5;
    return Fields(Validate(SchedulePosition{.age = age}, schedule));
  };
  // The steps of the first 2^21 periods, and the warm-up's.
  const uint64_t periods = uint64_t{1} << 21;
  const uint64_t last =
      5 + periods * cosine.period_steps + periods * (periods - 1) / 2 - 1;
  EXPECT_THAT(refused(0), IsEmpty());
  EXPECT_THAT(refused(last), IsEmpty());
  EXPECT_THAT(refused(last + 1), ElementsAre("schedule_age"));
  EXPECT_THAT(refused(uint64_t{1} << 53), ElementsAre("schedule_age"));
  cosine.period_factor = 1;  // all alike: found at once
  EXPECT_THAT(refused(uint64_t{1} << 53), IsEmpty());
  cosine.period_factor = 2;
  EXPECT_THAT(refused(uint64_t{1} << 53), IsEmpty());
  cosine.period_factor = 1 + 0x1p-23F;
  cosine.restarts = false;
  EXPECT_THAT(refused(uint64_t{1} << 53), IsEmpty());
}

std::vector<std::string> Refused(const Schedule& schedule) {
  return Fields(Validate(schedule));
}

TEST(ScheduleValidationTest, TheBaseRateIsPositiveAndFinite) {
  for (const float bad : {0.0F, -1.0F, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(Refused({.learning_rate = bad}), ElementsAre("learning_rate"));
  }
}

TEST(ScheduleValidationTest, EveryKindNamesItsOwnFields) {
  EXPECT_THAT(Refused(Base(StepDecay{.every = 10})), IsEmpty());
  EXPECT_THAT(Refused(Base(StepDecay{.every = 0, .factor = 1.5F})),
              ElementsAre("schedule.step.every", "schedule.step.factor"));
  EXPECT_THAT(Refused(Base(ExponentialDecay{.factor = 1.5F})),
              ElementsAre("schedule.exponential.factor"));
  EXPECT_THAT(
      Refused(Base(PolynomialDecay{.steps = 0, .end_rate = 0.75F, .power = 0})),
      ElementsAre("schedule.polynomial.steps", "schedule.polynomial.end_rate",
                  "schedule.polynomial.power"));
  EXPECT_THAT(Refused(Base(InverseTimeDecay{})),
              ElementsAre("schedule.inverse_time.rate"));
  EXPECT_THAT(
      Refused(Base(CosineDecay{
          .period_steps = 0, .min_rate = 0.75F, .period_factor = 0.5F})),
      ElementsAre("schedule.cosine.period_steps", "schedule.cosine.min_rate",
                  "schedule.cosine.period_factor"));
  EXPECT_THAT(
      Refused(Base(ReduceOnPlateau{
          .window_steps = 0, .factor = 1, .threshold = 1, .min_rate = 0.75F})),
      ElementsAre("schedule.plateau.window_steps", "schedule.plateau.factor",
                  "schedule.plateau.threshold", "schedule.plateau.min_rate"));
  EXPECT_THAT(Refused(Base(ConstantRate{})), IsEmpty());
}

}  // namespace
}  // namespace backprop::testing
