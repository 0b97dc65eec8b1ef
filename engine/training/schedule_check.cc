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
  explicit Check(float learning_rate) : learning_rate_(learning_rate) {}

  void Require(bool holds, const char* field, double value, const char* rule) {
    if (holds) return;
    violations_.push_back({field, absl::StrCat("is ", value, "; ", rule)});
  }

  void AtLeastOne(const char* field, uint64_t steps) {
    if (steps >= 1) return;
    violations_.push_back({field, "is 0; must be at least 1"});
  }

  void Factor(const char* field, float factor) {
    Require(factor > 0 && factor <= 1, field, factor,
            "must be greater than 0 and at most 1");
  }

  void LeastRate(const char* field, float rate) {
    Require(rate >= 0 && rate <= learning_rate_, field, rate,
            "must be at least 0 and at most learning_rate");
  }

  void Positive(const char* field, float value) {
    Require(std::isfinite(value) && value > 0, field, value,
            "must be finite and greater than 0");
  }

  std::vector<FieldViolation> Violations() && { return std::move(violations_); }

 private:
  float learning_rate_;
  std::vector<FieldViolation> violations_;
};

void CheckKind(const ConstantRate&, Check&) {}

void CheckKind(const StepDecay& step, Check& check) {
  check.AtLeastOne("schedule.step.every", step.every);
  check.Factor("schedule.step.factor", step.factor);
}

void CheckKind(const ExponentialDecay& exponential, Check& check) {
  check.Factor("schedule.exponential.factor", exponential.factor);
}

void CheckKind(const PolynomialDecay& polynomial, Check& check) {
  check.AtLeastOne("schedule.polynomial.steps", polynomial.steps);
  check.LeastRate("schedule.polynomial.end_rate", polynomial.end_rate);
  check.Positive("schedule.polynomial.power", polynomial.power);
}

void CheckKind(const InverseTimeDecay& inverse_time, Check& check) {
  check.Positive("schedule.inverse_time.rate", inverse_time.rate);
}

void CheckKind(const CosineDecay& cosine, Check& check) {
  check.AtLeastOne("schedule.cosine.period_steps", cosine.period_steps);
  check.LeastRate("schedule.cosine.min_rate", cosine.min_rate);
  check.Require(
      std::isfinite(cosine.period_factor) && cosine.period_factor >= 1,
      "schedule.cosine.period_factor", cosine.period_factor,
      "must be finite and at least 1");
}

void CheckKind(const ReduceOnPlateau& plateau, Check& check) {
  check.AtLeastOne("schedule.plateau.window_steps", plateau.window_steps);
  check.Require(plateau.factor > 0 && plateau.factor < 1,
                "schedule.plateau.factor", plateau.factor,
                "must be greater than 0 and less than 1");
  check.Require(plateau.threshold >= 0 && plateau.threshold < 1,
                "schedule.plateau.threshold", plateau.threshold,
                "must be at least 0 and less than 1");
  check.LeastRate("schedule.plateau.min_rate", plateau.min_rate);
}

std::vector<FieldViolation> CheckPlateauPosition(const PlateauPosition& at,
                                                 const ReduceOnPlateau& plateau,
                                                 float learning_rate) {
  std::vector<FieldViolation> violations;
  const auto require = [&](bool holds, const char* field, auto value,
                           const std::string& rule) {
    if (holds) return;
    violations.push_back({absl::StrCat("plateau.", field),
                          absl::StrCat("is ", value, "; must be ", rule)});
  };
  require(std::isfinite(at.window_sum), "window_sum", at.window_sum, "finite");
  require(at.window_steps < plateau.window_steps, "window_steps",
          at.window_steps,
          absl::StrCat("less than the schedule's, ", plateau.window_steps));
  const double best = at.best.value_or(0);
  require(std::isfinite(best), "best", best, "finite");
  require(at.bad_windows <= plateau.patience, "bad_windows", at.bad_windows,
          absl::StrCat("at most the schedule's patience, ", plateau.patience));
  require(at.rate >= plateau.min_rate && at.rate <= learning_rate, "rate",
          at.rate,
          absl::StrCat("at least the schedule's min_rate, ", plateau.min_rate,
                       ", and at most its learning_rate, ", learning_rate,
                       "; leave plateau out to begin a new schedule"));
  return violations;
}

}  // namespace

std::vector<FieldViolation> Validate(const Schedule& schedule) {
  Check check(schedule.learning_rate);
  check.Positive("learning_rate", schedule.learning_rate);
  std::visit([&](const auto& kind) { CheckKind(kind, check); }, schedule.kind);
  return std::move(check).Violations();
}

std::vector<FieldViolation> Validate(const SchedulePosition& position,
                                     const Schedule& schedule) {
  const uint64_t warmup = std::min(position.age, schedule.warmup_steps);
  const auto* cosine = std::get_if<CosineDecay>(&schedule.kind);
  if (cosine != nullptr && cosine->restarts &&
      IsBeyondMostPeriods(position.age - warmup, cosine->period_steps,
                          cosine->period_factor)) {
    return {{"schedule_age",
             absl::StrCat("is ", position.age, "; the schedule's first ",
                          kMostPeriods,
                          " periods end before: begin it anew, from 0")}};
  }
  if (!position.plateau.has_value()) return {};
  const auto* plateau = std::get_if<ReduceOnPlateau>(&schedule.kind);
  if (plateau == nullptr) {
    return {
        {"plateau", "is set, but the schedule is no plateau: leave it out"}};
  }
  return CheckPlateauPosition(*position.plateau, *plateau,
                              schedule.learning_rate);
}

}  // namespace backprop
