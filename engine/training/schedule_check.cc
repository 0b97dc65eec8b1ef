// SPDX-License-Identifier: Apache-2.0
//
// Which schedules, and which positions of one, there can't be.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/training/cosine_periods.h"
#include "engine/training/schedule.h"

namespace backprop {
namespace {

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

std::vector<FieldViolation> Validate(const SchedulePosition& position,
                                     const Schedule& schedule) {
  const uint64_t warmup = std::min(position.age, schedule.warmup_steps);
  if (schedule.kind == ScheduleKind::kCosine && schedule.restarts &&
      IsBeyondMostPeriods(position.age - warmup, schedule.steps,
                          schedule.period_factor)) {
    return {{"schedule_age",
             absl::StrCat("is ", position.age, "; the schedule's first ",
                          kMostPeriods,
                          " periods end before: begin it anew, from 0")}};
  }
  if (!position.plateau.has_value()) return {};
  if (schedule.kind != ScheduleKind::kPlateau) {
    return {
        {"plateau", "is set, but the schedule is no plateau: leave it out"}};
  }
  const PlateauPosition& plateau = *position.plateau;
  std::vector<FieldViolation> violations;
  const auto require = [&](bool holds, const char* field, auto value,
                           const std::string& rule) {
    if (holds) return;
    violations.push_back({absl::StrCat("plateau.", field),
                          absl::StrCat("is ", value, "; must be ", rule)});
  };
  require(std::isfinite(plateau.window_sum), "window_sum", plateau.window_sum,
          "finite");
  require(plateau.window_steps < schedule.steps, "window_steps",
          plateau.window_steps,
          absl::StrCat("less than the schedule's, ", schedule.steps));
  const double best = plateau.best.value_or(0);
  require(std::isfinite(best), "best", best, "finite");
  require(plateau.bad_windows <= schedule.patience, "bad_windows",
          plateau.bad_windows,
          absl::StrCat("at most the schedule's patience, ", schedule.patience));
  require(
      plateau.rate >= schedule.min_rate &&
          plateau.rate <= schedule.learning_rate,
      "rate", plateau.rate,
      absl::StrCat("at least the schedule's min_rate, ", schedule.min_rate,
                   ", and at most its learning_rate, ", schedule.learning_rate,
                   "; leave plateau out to begin a new schedule"));
  return violations;
}

}  // namespace backprop
