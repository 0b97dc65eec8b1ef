// SPDX-License-Identifier: Apache-2.0
#include "engine/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

constexpr uint64_t kEver = std::numeric_limits<uint64_t>::max();

uint64_t SumOrEver(uint64_t a, uint64_t b) {
  return a > kEver - b ? kEver : a + b;
}

// Length of the period that follows one of `length` steps.
uint64_t NextPeriod(uint64_t length, double factor) {
  const double next = std::round(static_cast<double>(length) * factor);
  return next < 0x1p63 ? std::max<uint64_t>(1, static_cast<uint64_t>(next))
                       : kEver;
}

double Cosine(const Schedule& schedule, double position, double length) {
  const double least = schedule.min_rate;
  const double wave = 1 + std::cos(std::numbers::pi * position / length);
  return least + (schedule.learning_rate - least) * wave / 2;
}

double Polynomial(const Schedule& schedule, uint64_t age) {
  const double end = schedule.min_rate;
  const double left = 1 - static_cast<double>(std::min(age, schedule.steps)) /
                              static_cast<double>(schedule.steps);
  return end + (schedule.learning_rate - end) *
                   std::pow(left, double{schedule.power});
}

// Collects violations of one schedule.
class Check {
 public:
  explicit Check(const Schedule& schedule) : schedule_(schedule) {}

  void Require(bool holds, const char* field, double value, const char* rule) {
    if (holds) return;
    violations_.push_back({field, absl::StrCat("is ", value, "; ", rule)});
  }

  void AtLeastOne(const char* field) {
    if (schedule_.steps >= 1) return;
    violations_.push_back({field, "is 0; must be at least 1"});
  }

  void Factor(const char* field) {
    const float factor = schedule_.factor;
    Require(factor > 0 && factor <= 1, field, factor,
            "must be greater than 0 and at most 1");
  }

  void LeastRate(const char* field) {
    const float rate = schedule_.min_rate;
    Require(rate >= 0 && rate <= schedule_.learning_rate, field, rate,
            "must be at least 0 and at most learning_rate");
  }

  void Positive(const char* field, float value) {
    Require(std::isfinite(value) && value > 0, field, value,
            "must be finite and greater than 0");
  }

  std::vector<FieldViolation> Violations() && { return std::move(violations_); }

 private:
  const Schedule& schedule_;
  std::vector<FieldViolation> violations_;
};

void CheckCosine(const Schedule& schedule, Check& check) {
  check.AtLeastOne("schedule.cosine.period_steps");
  check.LeastRate("schedule.cosine.min_rate");
  check.Require(
      std::isfinite(schedule.period_factor) && schedule.period_factor >= 1,
      "schedule.cosine.period_factor", schedule.period_factor,
      "must be finite and at least 1");
}

void CheckPlateau(const Schedule& schedule, Check& check) {
  check.AtLeastOne("schedule.plateau.window_steps");
  check.Require(schedule.factor > 0 && schedule.factor < 1,
                "schedule.plateau.factor", schedule.factor,
                "must be greater than 0 and less than 1");
  check.Require(schedule.threshold >= 0 && schedule.threshold < 1,
                "schedule.plateau.threshold", schedule.threshold,
                "must be at least 0 and less than 1");
  check.LeastRate("schedule.plateau.min_rate");
}

}  // namespace

std::vector<FieldViolation> Validate(const Schedule& schedule) {
  Check check(schedule);
  check.Positive("learning_rate", schedule.learning_rate);
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      break;
    case ScheduleKind::kStep:
      check.AtLeastOne("schedule.step.every");
      check.Factor("schedule.step.factor");
      break;
    case ScheduleKind::kExponential:
      check.Factor("schedule.exponential.factor");
      break;
    case ScheduleKind::kPolynomial:
      check.AtLeastOne("schedule.polynomial.steps");
      check.LeastRate("schedule.polynomial.end_rate");
      check.Positive("schedule.polynomial.power", schedule.power);
      break;
    case ScheduleKind::kInverseTime:
      check.Positive("schedule.inverse_time.rate", schedule.rate);
      break;
    case ScheduleKind::kCosine:
      CheckCosine(schedule, check);
      break;
    case ScheduleKind::kPlateau:
      CheckPlateau(schedule, check);
      break;
  }
  return std::move(check).Violations();
}

LearningRate::LearningRate(const Schedule& schedule, uint64_t age)
    : schedule_(schedule),
      age_(age),
      period_{0, schedule.steps},
      plateau_rate_(schedule.learning_rate) {
  if (schedule.kind == ScheduleKind::kCosine) period_ = PeriodAt(KindAge(0));
}

uint64_t LearningRate::KindAge(uint64_t ahead) const {
  const uint64_t age = SumOrEver(age_, ahead);
  return age - std::min(age, schedule_.warmup_steps);
}

float LearningRate::Rate(uint64_t ahead) const {
  const uint64_t age = SumOrEver(age_, ahead);
  const auto warmup = static_cast<double>(schedule_.warmup_steps);
  if (age < schedule_.warmup_steps) {
    return static_cast<float>(double{schedule_.learning_rate} *
                              (static_cast<double>(age) + 1) / (warmup + 1));
  }
  return static_cast<float>(RateOfKind(KindAge(ahead)));
}

double LearningRate::RateOfKind(uint64_t age) const {
  const double base = schedule_.learning_rate;
  const auto a = static_cast<double>(age);
  switch (schedule_.kind) {
    case ScheduleKind::kConstant:
      return base;
    case ScheduleKind::kStep:
      return base * std::pow(double{schedule_.factor},
                             static_cast<double>(age / schedule_.steps));
    case ScheduleKind::kExponential:
      return base * std::pow(double{schedule_.factor}, a);
    case ScheduleKind::kPolynomial:
      return Polynomial(schedule_, age);
    case ScheduleKind::kInverseTime:
      return base / (1 + double{schedule_.rate} * a);
    case ScheduleKind::kCosine: {
      if (!schedule_.restarts && age >= schedule_.steps) {
        return schedule_.min_rate;
      }
      const Period period = PeriodAt(age);
      return Cosine(schedule_, static_cast<double>(age - period.begin),
                    static_cast<double>(period.length));
    }
    case ScheduleKind::kPlateau:
      return plateau_rate_;
  }
  return base;
}

LearningRate::Period LearningRate::PeriodAt(uint64_t age) const {
  Period period = period_;
  if (!schedule_.restarts) return period;
  while (age - period.begin >= period.length) {
    const uint64_t next = NextPeriod(period.length, schedule_.period_factor);
    if (next == period.length) {  // so will all be that follow
      period.begin = age - (age - period.begin) % period.length;
      return period;
    }
    period = {period.begin + period.length, next};
  }
  return period;
}

uint64_t LearningRate::StepsUntilDecision() const {
  if (schedule_.kind != ScheduleKind::kPlateau) return kEver;
  const uint64_t warmup_left =
      schedule_.warmup_steps - std::min(age_, schedule_.warmup_steps);
  return SumOrEver(warmup_left, schedule_.steps - window_steps_);
}

void LearningRate::Record(std::span<const float> errors) {
  const uint64_t warmup_left =
      schedule_.warmup_steps - std::min(age_, schedule_.warmup_steps);
  age_ = SumOrEver(age_, errors.size());
  if (schedule_.kind == ScheduleKind::kCosine) {
    period_ = PeriodAt(KindAge(0));
  }
  if (schedule_.kind != ScheduleKind::kPlateau) return;
  for (const float error :
       errors.subspan(std::min<uint64_t>(warmup_left, errors.size()))) {
    window_sum_ += double{error};
    ++window_steps_;
  }
  if (window_steps_ >= schedule_.steps) EndWindow();
}

void LearningRate::EndWindow() {
  const double mean = window_sum_ / static_cast<double>(window_steps_);
  window_sum_ = 0;
  window_steps_ = 0;
  if (!has_best_ || mean < best_ * (1 - double{schedule_.threshold})) {
    has_best_ = true;
    best_ = mean;
    bad_windows_ = 0;
    return;
  }
  if (bad_windows_ < schedule_.patience) {
    ++bad_windows_;
    return;
  }
  bad_windows_ = 0;
  plateau_rate_ = std::max(
      schedule_.min_rate,
      static_cast<float>(double{plateau_rate_} * double{schedule_.factor}));
}

}  // namespace backprop
