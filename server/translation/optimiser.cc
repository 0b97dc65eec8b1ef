// SPDX-License-Identifier: Apache-2.0
#include "server/translation/optimiser.h"

#include <utility>

#include "server/translation/schedule.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// PyTorch's; an ε of 0 means them.
constexpr float kAdagradEpsilon = 1e-10F;
constexpr float kEpsilon = 1e-8F;

float OrDefault(float value, float default_value) {
  return value == 0 ? default_value : value;
}

// Returns false if no kind is set.
bool KindFromProto(const v1::Optimiser& proto, Optimiser* optimiser) {
  switch (proto.kind_case()) {
    case v1::Optimiser::kSgd:
      optimiser->kind = OptimiserKind::kSgd;
      optimiser->momentum = proto.sgd().momentum();
      optimiser->nesterov = proto.sgd().nesterov();
      return true;
    case v1::Optimiser::kAdagrad:
      optimiser->kind = OptimiserKind::kAdagrad;
      optimiser->epsilon =
          OrDefault(proto.adagrad().epsilon(), kAdagradEpsilon);
      return true;
    case v1::Optimiser::kRmsProp:
      optimiser->kind = OptimiserKind::kRmsProp;
      if (proto.rms_prop().has_decay()) {
        optimiser->decay = proto.rms_prop().decay();
      }
      optimiser->epsilon = OrDefault(proto.rms_prop().epsilon(), kEpsilon);
      return true;
    case v1::Optimiser::kAdam:
      optimiser->kind = OptimiserKind::kAdam;
      if (proto.adam().has_beta1()) optimiser->beta1 = proto.adam().beta1();
      if (proto.adam().has_beta2()) optimiser->beta2 = proto.adam().beta2();
      optimiser->epsilon = OrDefault(proto.adam().epsilon(), kEpsilon);
      return true;
    case v1::Optimiser::KIND_NOT_SET:
      break;
  }
  return false;
}

void KindToProto(const Optimiser& optimiser, v1::Optimiser* proto) {
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      proto->mutable_sgd()->set_momentum(optimiser.momentum);
      proto->mutable_sgd()->set_nesterov(optimiser.nesterov);
      return;
    case OptimiserKind::kAdagrad:
      proto->mutable_adagrad()->set_epsilon(optimiser.epsilon);
      return;
    case OptimiserKind::kRmsProp:
      proto->mutable_rms_prop()->set_decay(optimiser.decay);
      proto->mutable_rms_prop()->set_epsilon(optimiser.epsilon);
      return;
    case OptimiserKind::kAdam:
      proto->mutable_adam()->set_beta1(optimiser.beta1);
      proto->mutable_adam()->set_beta2(optimiser.beta2);
      proto->mutable_adam()->set_epsilon(optimiser.epsilon);
      return;
  }
}

void AddAll(std::vector<FieldViolation> found, Violations& violations) {
  for (FieldViolation& violation : found) {
    violation.field.insert(0, "spec.optimiser.");
    violations.push_back(std::move(violation));
  }
}

}  // namespace

void OptimiserFromProto(const v1::Optimiser& proto, SessionSpec* spec,
                        Violations& violations) {
  Optimiser& optimiser = spec->optimiser;
  if (!KindFromProto(proto, &optimiser)) {
    violations.push_back({"spec.optimiser",
                          "is required: set one of sgd, adagrad, rms_prop and "
                          "adam"});
    return;
  }
  optimiser.l2 = proto.l2();
  optimiser.l1 = proto.l1();
  optimiser.decoupled_decay = proto.decoupled_decay();
  optimiser.max_norm = proto.clipping().max_norm();
  optimiser.max_value = proto.clipping().max_value();
  AddAll(Validate(optimiser), violations);
  spec->schedule = ScheduleFromProto(proto);
  AddAll(Validate(spec->schedule), violations);
}

void OptimiserToProto(const SessionSpec& spec, v1::Optimiser* proto) {
  const Optimiser& optimiser = spec.optimiser;
  KindToProto(optimiser, proto);
  proto->set_l2(optimiser.l2);
  proto->set_l1(optimiser.l1);
  proto->set_decoupled_decay(optimiser.decoupled_decay);
  if (optimiser.max_norm != 0 || optimiser.max_value != 0) {
    proto->mutable_clipping()->set_max_norm(optimiser.max_norm);
    proto->mutable_clipping()->set_max_value(optimiser.max_value);
  }
  ScheduleToProto(spec.schedule, proto);
}

}  // namespace backprop
