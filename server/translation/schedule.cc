// SPDX-License-Identifier: Apache-2.0
#include "server/translation/schedule.h"

namespace backprop {
namespace {

constexpr float kStepFactor = 0.1F;
constexpr float kPlateauFactor = 0.1F;
constexpr uint64_t kPlateauWindow = 1000;

template <typename Value>
Value OrDefault(Value value, Value default_value) {
  return value == 0 ? default_value : value;
}

void PlateauFromProto(const v1::ReduceOnPlateau& proto, Schedule* schedule) {
  schedule->kind = ScheduleKind::kPlateau;
  schedule->steps = OrDefault<uint64_t>(proto.window_steps(), kPlateauWindow);
  schedule->factor = OrDefault(proto.factor(), kPlateauFactor);
  if (proto.has_patience()) schedule->patience = proto.patience();
  if (proto.has_threshold()) schedule->threshold = proto.threshold();
  schedule->min_rate = proto.min_rate();
}

void PlateauToProto(const Schedule& schedule, v1::ReduceOnPlateau* proto) {
  proto->set_window_steps(schedule.steps);
  proto->set_factor(schedule.factor);
  proto->set_patience(schedule.patience);
  proto->set_threshold(schedule.threshold);
  proto->set_min_rate(schedule.min_rate);
}

void CosineFromProto(const v1::CosineDecay& proto, Schedule* schedule) {
  schedule->kind = ScheduleKind::kCosine;
  schedule->steps = proto.period_steps();
  schedule->min_rate = proto.min_rate();
  schedule->restarts = proto.restarts();
  schedule->period_factor = OrDefault(proto.period_factor(), 1.0F);
}

void CosineToProto(const Schedule& schedule, v1::CosineDecay* proto) {
  proto->set_period_steps(schedule.steps);
  proto->set_min_rate(schedule.min_rate);
  proto->set_restarts(schedule.restarts);
  proto->set_period_factor(schedule.period_factor);
}

}  // namespace

Schedule ScheduleFromProto(const v1::Optimiser& proto) {
  Schedule schedule;
  schedule.learning_rate = proto.learning_rate();
  const v1::Schedule& given = proto.schedule();
  schedule.warmup_steps = given.warmup_steps();
  switch (given.kind_case()) {
    case v1::Schedule::KIND_NOT_SET:
      break;
    case v1::Schedule::kStep:
      schedule.kind = ScheduleKind::kStep;
      schedule.steps = given.step().every();
      schedule.factor = OrDefault(given.step().factor(), kStepFactor);
      break;
    case v1::Schedule::kExponential:
      schedule.kind = ScheduleKind::kExponential;
      schedule.factor = given.exponential().factor();
      break;
    case v1::Schedule::kPolynomial:
      schedule.kind = ScheduleKind::kPolynomial;
      schedule.steps = given.polynomial().steps();
      schedule.min_rate = given.polynomial().end_rate();
      schedule.power = OrDefault(given.polynomial().power(), 1.0F);
      break;
    case v1::Schedule::kInverseTime:
      schedule.kind = ScheduleKind::kInverseTime;
      schedule.rate = given.inverse_time().rate();
      break;
    case v1::Schedule::kCosine:
      CosineFromProto(given.cosine(), &schedule);
      break;
    case v1::Schedule::kPlateau:
      PlateauFromProto(given.plateau(), &schedule);
      break;
  }
  return schedule;
}

void ScheduleToProto(const Schedule& schedule, v1::Optimiser* proto) {
  proto->set_learning_rate(schedule.learning_rate);
  if (schedule.kind == ScheduleKind::kConstant && schedule.warmup_steps == 0) {
    return;
  }
  v1::Schedule* const filled = proto->mutable_schedule();
  filled->set_warmup_steps(schedule.warmup_steps);
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      return;
    case ScheduleKind::kStep:
      filled->mutable_step()->set_every(schedule.steps);
      filled->mutable_step()->set_factor(schedule.factor);
      return;
    case ScheduleKind::kExponential:
      filled->mutable_exponential()->set_factor(schedule.factor);
      return;
    case ScheduleKind::kPolynomial:
      filled->mutable_polynomial()->set_steps(schedule.steps);
      filled->mutable_polynomial()->set_end_rate(schedule.min_rate);
      filled->mutable_polynomial()->set_power(schedule.power);
      return;
    case ScheduleKind::kInverseTime:
      filled->mutable_inverse_time()->set_rate(schedule.rate);
      return;
    case ScheduleKind::kCosine:
      return CosineToProto(schedule, filled->mutable_cosine());
    case ScheduleKind::kPlateau:
      return PlateauToProto(schedule, filled->mutable_plateau());
  }
}

}  // namespace backprop
