// SPDX-License-Identifier: Apache-2.0
#include "client/cli/flags/schedule_flags.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/flags/name_table.h"

namespace backprop::cli {
namespace {

using ScheduleKind = v1::Schedule::KindCase;

constexpr Named<ScheduleKind> kSchedules[] = {
    {"constant", ScheduleKind::KIND_NOT_SET},
    {"step", ScheduleKind::kStep},
    {"exponential", ScheduleKind::kExponential},
    {"polynomial", ScheduleKind::kPolynomial},
    {"inverse-time", ScheduleKind::kInverseTime},
    {"cosine", ScheduleKind::kCosine},
    {"plateau", ScheduleKind::kPlateau},
};

// A flag, and the schedules that it is a setting of.
struct Setting {
  const char* flag;
  bool given;
  std::vector<ScheduleKind> kinds;
};

std::vector<Setting> Settings(const ScheduleFlags& flags) {
  return {
      {"--schedule-steps",
       flags.steps.has_value(),
       {ScheduleKind::kStep, ScheduleKind::kPolynomial, ScheduleKind::kCosine,
        ScheduleKind::kPlateau}},
      {"--schedule-factor",
       flags.factor.has_value(),
       {ScheduleKind::kStep, ScheduleKind::kExponential,
        ScheduleKind::kPlateau}},
      {"--schedule-min",
       flags.min_rate.has_value(),
       {ScheduleKind::kPolynomial, ScheduleKind::kCosine,
        ScheduleKind::kPlateau}},
      {"--schedule-power",
       flags.power.has_value(),
       {ScheduleKind::kPolynomial}},
      {"--schedule-rate", flags.rate.has_value(), {ScheduleKind::kInverseTime}},
      {"--schedule-restarts", flags.restarts, {ScheduleKind::kCosine}},
      {"--schedule-period-factor",
       flags.period_factor.has_value(),
       {ScheduleKind::kCosine}},
      {"--schedule-patience",
       flags.patience.has_value(),
       {ScheduleKind::kPlateau}},
      {"--schedule-threshold",
       flags.threshold.has_value(),
       {ScheduleKind::kPlateau}},
  };
}

std::string NamesOf(const std::vector<ScheduleKind>& kinds) {
  std::string names;
  for (const ScheduleKind kind : kinds) {
    absl::StrAppend(&names, names.empty() ? "" : ", ",
                    std::string(NameOf(kSchedules, kind)));
  }
  return names;
}

absl::Status CheckSettings(const ScheduleFlags& flags, ScheduleKind kind) {
  for (const Setting& setting : Settings(flags)) {
    if (setting.given && std::find(setting.kinds.begin(), setting.kinds.end(),
                                   kind) == setting.kinds.end()) {
      return UsageError(
          setting.flag,
          absl::StrCat(
              "is a setting of --schedule ", NamesOf(setting.kinds),
              flags.kind.empty()
                  ? "; name one"
                  : absl::StrCat("; ", flags.kind, " has no such setting")));
    }
  }
  if (flags.restarts && !flags.steps.has_value()) {
    return UsageError("--schedule-steps",
                      "restarts need it: the length of the first period");
  }
  return absl::OkStatus();
}

// Of kinds that come to an end.
absl::StatusOr<uint64_t> Length(const ScheduleFlags& flags,
                                uint64_t run_steps) {
  if (flags.steps.has_value()) return *flags.steps;
  const uint64_t warmup = flags.warmup_steps.value_or(0);
  if (run_steps == 0) return 0;  // the server asks for it
  if (run_steps <= warmup) {
    return UsageError("--warmup-steps",
                      absl::StrCat("leaves no steps for the ", flags.kind,
                                   " schedule: training takes ", run_steps));
  }
  return run_steps - warmup;
}

void SetPlateau(const ScheduleFlags& flags, v1::ReduceOnPlateau* plateau) {
  if (flags.steps.has_value()) plateau->set_window_steps(*flags.steps);
  if (flags.factor.has_value()) plateau->set_factor(*flags.factor);
  if (flags.patience.has_value()) plateau->set_patience(*flags.patience);
  if (flags.threshold.has_value()) plateau->set_threshold(*flags.threshold);
  plateau->set_min_rate(flags.min_rate.value_or(0));
}

}  // namespace

bool ScheduleFlags::given() const {
  const std::vector<Setting> settings = Settings(*this);
  return !kind.empty() || warmup_steps.has_value() ||
         std::any_of(settings.begin(), settings.end(),
                     [](const Setting& setting) { return setting.given; });
}

void AddScheduleFlags(Command& app, ScheduleFlags* flags) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  constexpr uint32_t kMost32 = std::numeric_limits<uint32_t>::max();
  const auto add = [&app](const char* name, auto& value, const char* help) {
    return app.add_option(name, value, help)
        ->type_name("NUMBER")
        ->group("Learning rate's schedule");
  };
  app.add_option("--schedule", flags->kind, Choices(kSchedules) + " [constant]")
      ->type_name("NAME")
      ->group("Learning rate's schedule");
  add("--warmup-steps", flags->warmup_steps,
      "Steps over which the rate first rises [0]")
      ->check(WholeNumber(0, kMost));
  add("--schedule-steps", flags->steps,
      "step: between falls; polynomial, cosine: length [all of the training]; "
      "plateau: steps a window [1000]")
      ->check(WholeNumber(1, kMost));
  add("--schedule-factor", flags->factor,
      "step, plateau: each fall [0.1]; exponential: each step")
      ->check(NonZero());
  add("--schedule-min", flags->min_rate,
      "polynomial, cosine, plateau: the lowest rate [0]")
      ->check(RealNumber());
  add("--schedule-power", flags->power, "polynomial [1, a straight line]")
      ->check(NonZero());
  add("--schedule-rate", flags->rate, "inverse-time: r of 1/(1 + r a)")
      ->check(NonZero());
  app.add_flag("--schedule-restarts", flags->restarts,
               "cosine: begin anew after each period")
      ->group("Learning rate's schedule");
  add("--schedule-period-factor", flags->period_factor,
      "cosine: how much longer each period is [1]")
      ->check(NonZero());
  add("--schedule-patience", flags->patience,
      "plateau: how many windows in a row may bring no gain [10]")
      ->check(WholeNumber(0, kMost32));
  add("--schedule-threshold", flags->threshold,
      "plateau: the share of the error that is a gain [0.0001]")
      ->check(RealNumber());
}

absl::StatusOr<v1::Schedule> MakeSchedule(const ScheduleFlags& flags,
                                          uint64_t run_steps) {
  absl::StatusOr<ScheduleKind> kind = ScheduleKind::KIND_NOT_SET;
  if (!flags.kind.empty()) kind = Choose("--schedule", kSchedules, flags.kind);
  if (!kind.ok()) return kind.status();
  absl::Status status = CheckSettings(flags, *kind);
  if (!status.ok()) return status;
  v1::Schedule schedule;
  schedule.set_warmup_steps(flags.warmup_steps.value_or(0));
  absl::StatusOr<uint64_t> length = 0;
  if (*kind == ScheduleKind::kPolynomial || *kind == ScheduleKind::kCosine) {
    length = Length(flags, run_steps);
  }
  if (!length.ok()) return length.status();
  switch (*kind) {
    case ScheduleKind::KIND_NOT_SET:
      break;
    case ScheduleKind::kStep:
      schedule.mutable_step()->set_every(flags.steps.value_or(0));
      schedule.mutable_step()->set_factor(flags.factor.value_or(0));
      break;
    case ScheduleKind::kExponential:
      schedule.mutable_exponential()->set_factor(flags.factor.value_or(0));
      break;
    case ScheduleKind::kPolynomial:
      schedule.mutable_polynomial()->set_steps(*length);
      schedule.mutable_polynomial()->set_end_rate(flags.min_rate.value_or(0));
      schedule.mutable_polynomial()->set_power(flags.power.value_or(0));
      break;
    case ScheduleKind::kInverseTime:
      schedule.mutable_inverse_time()->set_rate(flags.rate.value_or(0));
      break;
    case ScheduleKind::kCosine:
      schedule.mutable_cosine()->set_period_steps(*length);
      schedule.mutable_cosine()->set_min_rate(flags.min_rate.value_or(0));
      schedule.mutable_cosine()->set_restarts(flags.restarts);
      schedule.mutable_cosine()->set_period_factor(
          flags.period_factor.value_or(0));
      break;
    case ScheduleKind::kPlateau:
      SetPlateau(flags, schedule.mutable_plateau());
  }
  return schedule;
}

std::string ScheduleName(const v1::Schedule& schedule) {
  return std::string(NameOf(kSchedules, schedule.kind_case()));
}

std::string ScheduleText(const v1::Schedule& schedule) {
  std::string text;
  if (schedule.kind_case() != ScheduleKind::KIND_NOT_SET) {
    text = absl::StrCat(ScheduleName(schedule), " schedule");
  }
  if (schedule.warmup_steps() > 0) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", "warm-up of ",
                    schedule.warmup_steps(), " steps");
  }
  return text;
}

}  // namespace backprop::cli
