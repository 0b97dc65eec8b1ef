// SPDX-License-Identifier: Apache-2.0
//
// Learning-rate schedules, counted in steps (Schedule and the messages after it
// in proto/backprop/v1/network.proto have the formulas).
#ifndef BACKPROP_ENGINE_TRAINING_SCHEDULE_H_
#define BACKPROP_ENGINE_TRAINING_SCHEDULE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/contract/field_violation.h"

namespace backprop {

enum class ScheduleKind : uint8_t {
  kConstant,
  kStep,
  kExponential,
  kPolynomial,
  kInverseTime,
  kCosine,
  kPlateau,
};

// Fields that the kind doesn't name are ignored.
struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  float learning_rate = 0;    // α0
  uint64_t warmup_steps = 0;  // all kinds
  uint64_t steps = 0;         // kStep: every; kPolynomial; kCosine: period;
                              // kPlateau: window
  float factor = 0.1F;        // kStep, kExponential, kPlateau
  float min_rate = 0;         // kPolynomial: end; kCosine; kPlateau
  float power = 1;            // kPolynomial
  float rate = 0;             // kInverseTime
  bool restarts = false;      // kCosine
  float period_factor = 1;    // kCosine
  uint32_t patience = 10;     // kPlateau
  float threshold = 1e-4F;    // kPlateau

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// All violations; field names are those of v1.Schedule and its messages, e.g.
// "learning_rate", "schedule.cosine.period_steps".
std::vector<FieldViolation> Validate(const Schedule& schedule);

// Where a kPlateau schedule stands: its windows so far.
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
  // kPlateau only; nullopt: none of those steps' errors is known.
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

  // For how many further steps Rate is known: with kPlateau the rest of the
  // warm-up and of the present window, else UINT64_MAX. Callers end their runs
  // there.
  uint64_t StepsUntilDecision() const;

  // errors: of the steps just done, in order; at most StepsUntilDecision().
  void Record(std::span<const float> errors);

  const Schedule& schedule() const { return schedule_; }
  // LearningRate(schedule(), position()) goes on as this one does.
  SchedulePosition position() const;

 private:
  // Of kCosine, in steps after the warm-up.
  struct Period {
    uint64_t begin = 0;
    uint64_t length = 0;
  };

  // Age of the kind's formula: steps since the warm-up.
  uint64_t KindAge(uint64_t ahead) const;
  double RateOfKind(uint64_t age) const;
  // age: not before the present period.
  Period PeriodAt(uint64_t age) const;
  void EndWindow();

  Schedule schedule_;
  uint64_t age_ = 0;
  Period period_;            // kCosine only: the next step's
  PlateauPosition plateau_;  // kPlateau only
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_SCHEDULE_H_
