// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules, counted in steps (Schedule and the messages after it
// in proto/backprop/v1/network.proto have the formulas).
#ifndef BACKPROP_ENGINE_TRAINING_SCHEDULE_H_
#define BACKPROP_ENGINE_TRAINING_SCHEDULE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "engine/contract/field_violation.h"

namespace backprop {

// The kinds of schedule, each with what it needs; α0 is the learning rate, a
// the steps since the warm-up.

struct ConstantRate {  // α0
  friend bool operator==(const ConstantRate&, const ConstantRate&) = default;
};

struct StepDecay {  // α0·factor^⌊a/every⌋
  uint64_t every = 0;
  float factor = 0.1F;

  friend bool operator==(const StepDecay&, const StepDecay&) = default;
};

struct ExponentialDecay {  // α0·factor^a
  float factor = 0;

  friend bool operator==(const ExponentialDecay&,
                         const ExponentialDecay&) = default;
};

struct PolynomialDecay {  // from α0 to end_rate in `steps` steps
  uint64_t steps = 0;
  float end_rate = 0;
  float power = 1;

  friend bool operator==(const PolynomialDecay&,
                         const PolynomialDecay&) = default;
};

struct InverseTimeDecay {  // α0/(1 + rate·a)
  float rate = 0;

  friend bool operator==(const InverseTimeDecay&,
                         const InverseTimeDecay&) = default;
};

struct CosineDecay {          // half a wave from α0 to min_rate in each period
  uint64_t period_steps = 0;  // of the first period
  float min_rate = 0;
  bool restarts = false;
  float period_factor = 1;  // how much longer each period is

  friend bool operator==(const CosineDecay&, const CosineDecay&) = default;
};

struct ReduceOnPlateau {  // falls when the error no longer does
  uint64_t window_steps = 0;
  float factor = 0.1F;
  uint32_t patience = 10;  // windows in a row without a better mean
  float threshold = 1e-4F;
  float min_rate = 0;

  friend bool operator==(const ReduceOnPlateau&,
                         const ReduceOnPlateau&) = default;
};

struct Schedule {
  std::variant<ConstantRate, StepDecay, ExponentialDecay, PolynomialDecay,
               InverseTimeDecay, CosineDecay, ReduceOnPlateau>
      kind = ConstantRate{};
  float learning_rate = 0;    // α0
  uint64_t warmup_steps = 0;  // whatever the kind

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// All violations; field names are those of v1.Schedule and its messages, e.g.
// "learning_rate", "schedule.cosine.period_steps".
std::vector<FieldViolation> Validate(const Schedule& schedule);

// Where a ReduceOnPlateau stands: its windows so far.
struct PlateauPosition {
  double window_sum = 0;                      // of the present window's errors
  uint64_t window_steps = 0;                  // how many these are
  std::optional<double> best = std::nullopt;  // least mean of a window
  uint32_t bad_windows = 0;                   // in a row
  float rate = 0;                             // α now

  friend bool operator==(const PlateauPosition&,
                         const PlateauPosition&) = default;
};

// Where a schedule stands: all that its further rates depend on beside itself
// and the errors to come.
struct SchedulePosition {
  uint64_t age = 0;  // steps of it that count as done
  // ReduceOnPlateau only; nullopt: none of those steps' errors is known.
  std::optional<PlateauPosition> plateau = std::nullopt;

  friend bool operator==(const SchedulePosition&,
                         const SchedulePosition&) = default;
};

// All violations of a position that no schedule like this one comes to, or not
// in kMostPeriods; fields are v1.Continuation's, e.g. "plateau.window_steps".
std::vector<FieldViolation> Validate(const SchedulePosition& position,
                                     const Schedule& schedule);

// A schedule in motion: which rate the next step has. Small; one a session.
class LearningRate {
 public:
  LearningRate() = default;
  // Both must be valid.
  explicit LearningRate(const Schedule& schedule,
                        const SchedulePosition& position = {});

  // α of the step that comes `ahead` steps after the last one recorded (0: the
  // next step). Valid while ahead < StepsUntilDecision().
  float Rate(uint64_t ahead) const;

  // For how many further steps Rate is known: with ReduceOnPlateau the rest of
  // the warm-up and of the present window, else UINT64_MAX. Callers end their
  // runs there.
  uint64_t StepsUntilDecision() const;

  // errors: of the steps just done, in order; at most StepsUntilDecision().
  void Record(std::span<const float> errors);

  const Schedule& schedule() const { return schedule_; }
  // LearningRate(schedule(), position()) goes on as this one does.
  SchedulePosition position() const;

 private:
  // Of CosineDecay, in steps after the warm-up.
  struct Period {
    uint64_t begin = 0;
    uint64_t length = 0;
  };

  // Age of the kind's formula: steps since the warm-up.
  uint64_t KindAge(uint64_t ahead) const;
  uint64_t WarmupLeft() const;
  // α of the kind at that age.
  double RateOf(const ConstantRate&, uint64_t age) const;
  double RateOf(const StepDecay& step, uint64_t age) const;
  double RateOf(const ExponentialDecay& exponential, uint64_t age) const;
  double RateOf(const PolynomialDecay& polynomial, uint64_t age) const;
  double RateOf(const InverseTimeDecay& inverse_time, uint64_t age) const;
  double RateOf(const CosineDecay& cosine, uint64_t age) const;
  double RateOf(const ReduceOnPlateau&, uint64_t age) const;
  // age: not before the present period.
  Period PeriodAt(const CosineDecay& cosine, uint64_t age) const;
  void EndWindow(const ReduceOnPlateau& plateau);

  Schedule schedule_;
  uint64_t age_ = 0;
  Period period_;            // CosineDecay only: the next step's
  PlateauPosition plateau_;  // ReduceOnPlateau only
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_SCHEDULE_H_
