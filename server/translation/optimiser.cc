// SPDX-License-Identifier: Apache-2.0
#include "server/translation/optimiser.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/translation/schedule.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// The number of a rule is the protocol's: it is cast both ways. The client's
// session_layout.cc says the same, as client and server share only proto and
// engine/contract, neither of which may include the other.
template <class R>
constexpr auto kNumber = static_cast<v1::Rule>(R::kRule);
static_assert(kNumber<rules::None> == v1::RULE_NONE);
static_assert(kNumber<rules::Sgd> == v1::RULE_SGD);
static_assert(kNumber<rules::Momentum> == v1::RULE_MOMENTUM);
static_assert(kNumber<rules::Nesterov> == v1::RULE_NESTEROV);
static_assert(kNumber<rules::Adagrad> == v1::RULE_ADAGRAD);
static_assert(kNumber<rules::RmsProp> == v1::RULE_RMS_PROP);
static_assert(kNumber<rules::Adam> == v1::RULE_ADAM);
static_assert(kNumber<rules::Lion> == v1::RULE_LION);
static_assert(Rules::kCount == v1::Rule_MAX, "a rule is missing above");

// An ε of 0 means the rule's default.
template <class Kind, class R>
void SetEpsilon(const Kind& proto, R& rule) {
  if (proto.epsilon() != 0) rule.epsilon = proto.epsilon();
}

Rules::Choice FromProto(const v1::Sgd& proto) {
  if (proto.nesterov()) return rules::Nesterov{proto.momentum()};
  if (proto.momentum() != 0) return rules::Momentum{proto.momentum()};
  return rules::Sgd();
}

Rules::Choice FromProto(const v1::Adagrad& proto) {
  rules::Adagrad rule;
  SetEpsilon(proto, rule);
  return rule;
}

Rules::Choice FromProto(const v1::RmsProp& proto) {
  rules::RmsProp rule;
  if (proto.has_decay()) rule.decay = proto.decay();
  SetEpsilon(proto, rule);
  return rule;
}

Rules::Choice FromProto(const v1::Adam& proto) {
  rules::Adam rule;
  if (proto.has_beta1()) rule.beta1 = proto.beta1();
  if (proto.has_beta2()) rule.beta2 = proto.beta2();
  SetEpsilon(proto, rule);
  return rule;
}

Rules::Choice FromProto(const v1::Lion& proto) {
  rules::Lion rule;
  if (proto.has_beta1()) rule.beta1 = proto.beta1();
  if (proto.has_beta2()) rule.beta2 = proto.beta2();
  return rule;
}

// Returns nullopt if no kind is set.
std::optional<Rules::Choice> KindFromProto(const v1::Optimiser& proto) {
  switch (proto.kind_case()) {
    case v1::Optimiser::kSgd:
      return FromProto(proto.sgd());
    case v1::Optimiser::kAdagrad:
      return FromProto(proto.adagrad());
    case v1::Optimiser::kRmsProp:
      return FromProto(proto.rms_prop());
    case v1::Optimiser::kAdam:
      return FromProto(proto.adam());
    case v1::Optimiser::kLion:
      return FromProto(proto.lion());
    case v1::Optimiser::KIND_NOT_SET:
      break;
  }
  return std::nullopt;
}

void ToProto(const rules::Sgd&, v1::Optimiser* proto) { proto->mutable_sgd(); }

void ToProto(const rules::Momentum& rule, v1::Optimiser* proto) {
  proto->mutable_sgd()->set_momentum(rule.momentum);
}

void ToProto(const rules::Nesterov& rule, v1::Optimiser* proto) {
  proto->mutable_sgd()->set_momentum(rule.momentum);
  proto->mutable_sgd()->set_nesterov(true);
}

void ToProto(const rules::Adagrad& rule, v1::Optimiser* proto) {
  proto->mutable_adagrad()->set_epsilon(rule.epsilon);
}

void ToProto(const rules::RmsProp& rule, v1::Optimiser* proto) {
  proto->mutable_rms_prop()->set_decay(rule.decay);
  proto->mutable_rms_prop()->set_epsilon(rule.epsilon);
}

void ToProto(const rules::Adam& rule, v1::Optimiser* proto) {
  proto->mutable_adam()->set_beta1(rule.beta1);
  proto->mutable_adam()->set_beta2(rule.beta2);
  proto->mutable_adam()->set_epsilon(rule.epsilon);
}

void ToProto(const rules::Lion& rule, v1::Optimiser* proto) {
  proto->mutable_lion()->set_beta1(rule.beta1);
  proto->mutable_lion()->set_beta2(rule.beta2);
}

// "sgd, adagrad": the kinds there are.
std::string AllKinds() {
  const google::protobuf::OneofDescriptor& kinds =
      *v1::Optimiser::descriptor()->FindOneofByName("kind");
  std::string all;
  for (int i = 0; i < kinds.field_count(); ++i) {
    absl::StrAppend(&all, i == 0 ? "" : ", ", kinds.field(i)->name());
  }
  return all;
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
  const auto rule = KindFromProto(proto);
  if (!rule.has_value()) {
    violations.push_back(
        {"spec.optimiser",
         absl::StrCat("is required: set one of ", AllKinds())});
    return;
  }
  optimiser.rule = *rule;
  optimiser.l2 = proto.l2();
  optimiser.l1 = proto.l1();
  optimiser.decoupled_decay = proto.decoupled_decay();
  optimiser.max_norm = proto.clipping().max_norm();
  optimiser.max_value = proto.clipping().max_value();
  AddAll(Validate(optimiser), violations);
  spec->rule = RuleOf(optimiser);
  spec->schedule = ScheduleFromProto(proto);
  AddAll(Validate(spec->schedule), violations);
}

void OptimiserToProto(const SessionSpec& spec, v1::Optimiser* proto) {
  const Optimiser& optimiser = spec.optimiser;
  std::visit([&](const auto& rule) { ToProto(rule, proto); }, optimiser.rule);
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
