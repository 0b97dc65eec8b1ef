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

StepDecay FromProto(const v1::StepDecay& proto) {
  return {.every = proto.every(),
          .factor = OrDefault(proto.factor(), kStepFactor)};
}

ExponentialDecay FromProto(const v1::ExponentialDecay& proto) {
  return {.factor = proto.factor()};
}

PolynomialDecay FromProto(const v1::PolynomialDecay& proto) {
  return {.steps = proto.steps(),
          .end_rate = proto.end_rate(),
          .power = OrDefault(proto.power(), 1.0F)};
}

InverseTimeDecay FromProto(const v1::InverseTimeDecay& proto) {
  return {.rate = proto.rate()};
}

CosineDecay FromProto(const v1::CosineDecay& proto) {
  return {.period_steps = proto.period_steps(),
          .min_rate = proto.min_rate(),
          .restarts = proto.restarts(),
          .period_factor = OrDefault(proto.period_factor(), 1.0F)};
}

ReduceOnPlateau FromProto(const v1::ReduceOnPlateau& proto) {
  ReduceOnPlateau plateau{
      .window_steps = OrDefault<uint64_t>(proto.window_steps(), kPlateauWindow),
      .factor = OrDefault(proto.factor(), kPlateauFactor),
      .min_rate = proto.min_rate()};
  if (proto.has_patience()) plateau.patience = proto.patience();
  if (proto.has_threshold()) plateau.threshold = proto.threshold();
  return plateau;
}

void ToProto(const ConstantRate&, v1::Schedule*) {}

void ToProto(const StepDecay& step, v1::Schedule* proto) {
  proto->mutable_step()->set_every(step.every);
  proto->mutable_step()->set_factor(step.factor);
}

void ToProto(const ExponentialDecay& exponential, v1::Schedule* proto) {
  proto->mutable_exponential()->set_factor(exponential.factor);
}

void ToProto(const PolynomialDecay& polynomial, v1::Schedule* proto) {
  proto->mutable_polynomial()->set_steps(polynomial.steps);
  proto->mutable_polynomial()->set_end_rate(polynomial.end_rate);
  proto->mutable_polynomial()->set_power(polynomial.power);
}

void ToProto(const InverseTimeDecay& inverse_time, v1::Schedule* proto) {
  proto->mutable_inverse_time()->set_rate(inverse_time.rate);
}

void ToProto(const CosineDecay& cosine, v1::Schedule* proto) {
  v1::CosineDecay* const filled = proto->mutable_cosine();
  filled->set_period_steps(cosine.period_steps);
  filled->set_min_rate(cosine.min_rate);
  filled->set_restarts(cosine.restarts);
  filled->set_period_factor(cosine.period_factor);
}

void ToProto(const ReduceOnPlateau& plateau, v1::Schedule* proto) {
  v1::ReduceOnPlateau* const filled = proto->mutable_plateau();
  filled->set_window_steps(plateau.window_steps);
  filled->set_factor(plateau.factor);
  filled->set_patience(plateau.patience);
  filled->set_threshold(plateau.threshold);
  filled->set_min_rate(plateau.min_rate);
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
      schedule.kind = FromProto(given.step());
      break;
    case v1::Schedule::kExponential:
      schedule.kind = FromProto(given.exponential());
      break;
    case v1::Schedule::kPolynomial:
      schedule.kind = FromProto(given.polynomial());
      break;
    case v1::Schedule::kInverseTime:
      schedule.kind = FromProto(given.inverse_time());
      break;
    case v1::Schedule::kCosine:
      schedule.kind = FromProto(given.cosine());
      break;
    case v1::Schedule::kPlateau:
      schedule.kind = FromProto(given.plateau());
      break;
  }
  return schedule;
}

void ScheduleToProto(const Schedule& schedule, v1::Optimiser* proto) {
  proto->set_learning_rate(schedule.learning_rate);
  if (std::holds_alternative<ConstantRate>(schedule.kind) &&
      schedule.warmup_steps == 0) {
    return;
  }
  v1::Schedule* const filled = proto->mutable_schedule();
  filled->set_warmup_steps(schedule.warmup_steps);
  std::visit([&](const auto& kind) { ToProto(kind, filled); }, schedule.kind);
}

}  // namespace backprop
