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

}  // namespace

LearningRate::LearningRate(const Schedule& schedule,
                           const SchedulePosition& position)
    : schedule_(schedule), age_(position.age) {
  if (const auto* cosine = std::get_if<CosineDecay>(&schedule_.kind)) {
    period_ = {0, cosine->period_steps};
    period_ = PeriodAt(*cosine, KindAge(0));
  }
  plateau_ = position.plateau.value_or(
      PlateauPosition{.rate = schedule.learning_rate});
}

SchedulePosition LearningRate::position() const {
  SchedulePosition position{.age = age_};
  if (std::holds_alternative<ReduceOnPlateau>(schedule_.kind)) {
    position.plateau = plateau_;
  }
  return position;
}

uint64_t LearningRate::KindAge(uint64_t ahead) const {
  const uint64_t age = SumOrEver(age_, ahead);
  return age - std::min(age, schedule_.warmup_steps);
}

uint64_t LearningRate::WarmupLeft() const {
  return schedule_.warmup_steps - std::min(age_, schedule_.warmup_steps);
}

float LearningRate::Rate(uint64_t ahead) const {
  const uint64_t age = SumOrEver(age_, ahead);
  const auto warmup = static_cast<double>(schedule_.warmup_steps);
  if (age < schedule_.warmup_steps) {
    return static_cast<float>(double{schedule_.learning_rate} *
                              (static_cast<double>(age) + 1) / (warmup + 1));
  }
  const uint64_t kind_age = KindAge(ahead);
  return static_cast<float>(
      std::visit([&](const auto& kind) { return RateOf(kind, kind_age); },
                 schedule_.kind));
}

double LearningRate::RateOf(const ConstantRate&, uint64_t) const {
  return schedule_.learning_rate;
}

double LearningRate::RateOf(const StepDecay& step, uint64_t age) const {
  const auto falls = static_cast<double>(age / step.every);
  return schedule_.learning_rate * std::pow(double{step.factor}, falls);
}

double LearningRate::RateOf(const ExponentialDecay& exponential,
                            uint64_t age) const {
  return schedule_.learning_rate *
         std::pow(double{exponential.factor}, static_cast<double>(age));
}

double LearningRate::RateOf(const PolynomialDecay& polynomial,
                            uint64_t age) const {
  const double end = polynomial.end_rate;
  const double left = 1 - static_cast<double>(std::min(age, polynomial.steps)) /
                              static_cast<double>(polynomial.steps);
  return end + (schedule_.learning_rate - end) *
                   std::pow(left, double{polynomial.power});
}

double LearningRate::RateOf(const InverseTimeDecay& inverse_time,
                            uint64_t age) const {
  return schedule_.learning_rate /
         (1 + double{inverse_time.rate} * static_cast<double>(age));
}

double LearningRate::RateOf(const CosineDecay& cosine, uint64_t age) const {
  if (!cosine.restarts && age >= cosine.period_steps) return cosine.min_rate;
  const Period period = PeriodAt(cosine, age);
  const double least = cosine.min_rate;
  const auto position = static_cast<double>(age - period.begin);
  const auto length = static_cast<double>(period.length);
  const double wave = 1 + std::cos(std::numbers::pi * position / length);
  return least + (schedule_.learning_rate - least) * wave / 2;
}

double LearningRate::RateOf(const ReduceOnPlateau&, uint64_t) const {
  return plateau_.rate;
}

LearningRate::Period LearningRate::PeriodAt(const CosineDecay& cosine,
                                            uint64_t age) const {
  Period period = period_;
  if (!cosine.restarts) return period;
  while (age - period.begin >= period.length) {
    const uint64_t next = NextPeriod(period.length, cosine.period_factor);
    if (next == period.length) {  // so will all be that follow
      period.begin = age - (age - period.begin) % period.length;
      return period;
    }
    period = {period.begin + period.length, next};
  }
  return period;
}

uint64_t LearningRate::StepsUntilDecision() const {
  const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule_.kind);
  if (plateau == nullptr) return kEver;
  return SumOrEver(WarmupLeft(), plateau->window_steps - plateau_.window_steps);
}

void LearningRate::Record(std::span<const float> errors) {
  const uint64_t warmup_left = WarmupLeft();
  age_ = SumOrEver(age_, errors.size());
  if (const auto* cosine = std::get_if<CosineDecay>(&schedule_.kind)) {
    period_ = PeriodAt(*cosine, KindAge(0));
  }
  const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule_.kind);
  if (plateau == nullptr) return;
  for (const float error :
       errors.subspan(std::min<uint64_t>(warmup_left, errors.size()))) {
    plateau_.window_sum += double{error};
    ++plateau_.window_steps;
  }
  if (plateau_.window_steps >= plateau->window_steps) EndWindow(*plateau);
}

void LearningRate::EndWindow(const ReduceOnPlateau& plateau) {
  PlateauPosition& at = plateau_;
  const double mean = at.window_sum / static_cast<double>(at.window_steps);
  at.window_sum = 0;
  at.window_steps = 0;
  // An error may be negative (Loss::kPoisson).
  const double sign = at.best.value_or(0) < 0 ? -1 : 1;
  if (!at.best.has_value() ||
      mean < *at.best * (1 - sign * double{plateau.threshold})) {
    at.best = mean;
    at.bad_windows = 0;
    return;
  }
  if (at.bad_windows < plateau.patience) {
    ++at.bad_windows;
    return;
  }
  at.bad_windows = 0;
  at.rate =
      std::max(plateau.min_rate,
               static_cast<float>(double{at.rate} * double{plateau.factor}));
}

}  // namespace backprop
