// SPDX-License-Identifier: Apache-2.0
#include "engine/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/training/cosine_periods.h"

namespace backprop {
namespace {

constexpr uint64_t kEver = std::numeric_limits<uint64_t>::max();

uint64_t SumOrEver(uint64_t a, uint64_t b) {
  return a > kEver - b ? kEver : a + b;
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

}  // namespace

LearningRate::LearningRate(const Schedule& schedule,
                           const SchedulePosition& position)
    : schedule_(schedule), age_(position.age), period_{0, schedule.steps} {
  if (schedule.kind == ScheduleKind::kCosine) period_ = PeriodAt(KindAge(0));
  plateau_ = position.plateau.value_or(
      PlateauPosition{.rate = schedule.learning_rate});
}

SchedulePosition LearningRate::position() const {
  SchedulePosition position{.age = age_};
  if (schedule_.kind == ScheduleKind::kPlateau) position.plateau = plateau_;
  return position;
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
      return plateau_.rate;
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
  return SumOrEver(warmup_left, schedule_.steps - plateau_.window_steps);
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
    plateau_.window_sum += double{error};
    ++plateau_.window_steps;
  }
  if (plateau_.window_steps >= schedule_.steps) EndWindow();
}

void LearningRate::EndWindow() {
  PlateauPosition& at = plateau_;
  const double mean = at.window_sum / static_cast<double>(at.window_steps);
  at.window_sum = 0;
  at.window_steps = 0;
  if (!at.best.has_value() ||
      mean < *at.best * (1 - double{schedule_.threshold})) {
    at.best = mean;
    at.bad_windows = 0;
    return;
  }
  if (at.bad_windows < schedule_.patience) {
    ++at.bad_windows;
    return;
  }
  at.bad_windows = 0;
  at.rate =
      std::max(schedule_.min_rate,
               static_cast<float>(double{at.rate} * double{schedule_.factor}));
}

}  // namespace backprop
