// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/optimiser.h"

#include <algorithm>
#include <variant>

namespace backprop {

std::vector<FieldViolation> Validate(const Optimiser& optimiser) {
  FieldChecks checks;
  std::visit([&](const auto& rule) { rule.Check(checks); }, optimiser.rule);
  checks.NotNegative("l2", optimiser.l2);
  checks.NotNegative("l1", optimiser.l1);
  checks.NotNegative("decoupled_decay", optimiser.decoupled_decay);
  checks.NotNegative("clipping.max_norm", optimiser.max_norm);
  checks.NotNegative("clipping.max_value", optimiser.max_value);
  return checks.Take();
}

Rule RuleOf(const Optimiser& optimiser) {
  const bool alone = optimiser.l2 == 0 && optimiser.l1 == 0 &&
                     optimiser.decoupled_decay == 0 && optimiser.max_value == 0;
  if (alone && std::holds_alternative<rules::Sgd>(optimiser.rule)) {
    return rules::None::kRule;
  }
  return std::visit([](const auto& rule) { return rule.kRule; },
                    optimiser.rule);
}

size_t StateCount(Rule rule) {
  return ForRule(rule, [](auto r) { return r.kState.size(); });
}

size_t ScalarCount(Rule rule) {
  if (rule == rules::None::kRule) return 0;
  return kCommonScalars + ForRule(rule, [](auto r) { return r.kOwnScalars; });
}

void StepScalars(const Optimiser& optimiser, float rate, uint64_t age,
                 std::span<float> scalars) {
  if (scalars.empty()) return;
  double row[kMostScalars];
  row[0] = rate * std::visit(
                      [&](const auto& rule) {
                        return rule.Scalars(age, row + kCommonScalars);
                      },
                      optimiser.rule);
  row[1] = optimiser.l2;
  row[2] = optimiser.l1;
  row[3] = double{rate} * double{optimiser.decoupled_decay};
  row[4] = optimiser.max_value;
  std::transform(row, row + scalars.size(), scalars.begin(),
                 [](double value) { return static_cast<float>(value); });
}

}  // namespace backprop
