// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/optimiser.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

// The smallest ε. What divides by √v + ε is bounded by what it divides over ε,
// and that bound must leave room for honest gradients
// (engine/training/step_bounds.h).
constexpr float kSmallestEpsilon = 1e-20F;

void CheckShare(const char* field, float value, Violations& violations) {
  if (value >= 0 && value < 1) return;
  violations.push_back({field, absl::StrCat("is ", value,
                                            "; must be at least 0 and less "
                                            "than 1")});
}

void CheckNotNegative(const char* field, float value, Violations& violations) {
  if (value >= 0 && std::isfinite(value)) return;
  violations.push_back(
      {field, absl::StrCat("is ", value, "; must be finite, not negative")});
}

void CheckEpsilon(const char* field, float value, Violations& violations) {
  if (value >= kSmallestEpsilon && std::isfinite(value)) return;
  violations.push_back(
      {field, absl::StrCat("is ", value, "; must be finite and at least ",
                           kSmallestEpsilon)});
}

void CheckSgd(const Optimiser& optimiser, Violations& violations) {
  CheckShare("sgd.momentum", optimiser.momentum, violations);
  if (optimiser.nesterov && optimiser.momentum == 0) {
    violations.push_back({"sgd.nesterov", "needs momentum: set sgd.momentum"});
  }
}

// What follows the common scalars, in double. Returns what α is multiplied by.
double OwnScalars(const Optimiser& optimiser, uint64_t age, double* own) {
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      own[0] = optimiser.momentum;
      return 1;
    case OptimiserKind::kAdagrad:
      own[0] = optimiser.epsilon;
      return 1;
    case OptimiserKind::kRmsProp:
      own[0] = optimiser.decay;
      own[1] = 1 - double{optimiser.decay};
      own[2] = optimiser.epsilon;
      return 1;
    case OptimiserKind::kAdam:
      break;
  }
  const auto n = static_cast<double>(age);
  const double root = std::sqrt(1 - std::pow(double{optimiser.beta2}, n));
  own[0] = optimiser.beta1;
  own[1] = 1 - double{optimiser.beta1};
  own[2] = optimiser.beta2;
  own[3] = 1 - double{optimiser.beta2};
  own[4] = optimiser.epsilon * root;
  return root / (1 - std::pow(double{optimiser.beta1}, n));
}

size_t OwnScalarCount(OptimiserKind kind) {
  switch (kind) {
    case OptimiserKind::kSgd:
    case OptimiserKind::kAdagrad:
      return 1;
    case OptimiserKind::kRmsProp:
      return 3;
    case OptimiserKind::kAdam:
      break;
  }
  return 5;
}

}  // namespace

std::vector<FieldViolation> Validate(const Optimiser& optimiser) {
  Violations violations;
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      CheckSgd(optimiser, violations);
      break;
    case OptimiserKind::kAdagrad:
      CheckEpsilon("adagrad.epsilon", optimiser.epsilon, violations);
      break;
    case OptimiserKind::kRmsProp:
      CheckShare("rms_prop.decay", optimiser.decay, violations);
      CheckEpsilon("rms_prop.epsilon", optimiser.epsilon, violations);
      break;
    case OptimiserKind::kAdam:
      CheckShare("adam.beta1", optimiser.beta1, violations);
      CheckShare("adam.beta2", optimiser.beta2, violations);
      CheckEpsilon("adam.epsilon", optimiser.epsilon, violations);
      break;
  }
  CheckNotNegative("l2", optimiser.l2, violations);
  CheckNotNegative("l1", optimiser.l1, violations);
  CheckNotNegative("decoupled_decay", optimiser.decoupled_decay, violations);
  CheckNotNegative("clipping.max_norm", optimiser.max_norm, violations);
  CheckNotNegative("clipping.max_value", optimiser.max_value, violations);
  return violations;
}

FactorKind FactorKindOf(const Optimiser& optimiser) {
  const bool plain = optimiser.kind == OptimiserKind::kSgd &&
                     optimiser.momentum == 0 && optimiser.l2 == 0 &&
                     optimiser.l1 == 0 && optimiser.decoupled_decay == 0 &&
                     optimiser.max_value == 0;
  return plain && !optimiser.keeps_gradient ? FactorKind::kDelta
                                            : FactorKind::kGradient;
}

Rule RuleOf(const Optimiser& optimiser) {
  if (FactorKindOf(optimiser) == FactorKind::kDelta) return Rule::kNone;
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      if (optimiser.momentum == 0) return Rule::kSgd;
      return optimiser.nesterov ? Rule::kNesterov : Rule::kMomentum;
    case OptimiserKind::kAdagrad:
      return Rule::kAdagrad;
    case OptimiserKind::kRmsProp:
      return Rule::kRmsProp;
    case OptimiserKind::kAdam:
      break;
  }
  return Rule::kAdam;
}

size_t StateCount(const Optimiser& optimiser) {
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      return optimiser.momentum == 0 ? 0 : 1;
    case OptimiserKind::kAdagrad:
    case OptimiserKind::kRmsProp:
      return 1;
    case OptimiserKind::kAdam:
      break;
  }
  return 2;
}

size_t ScalarCount(const Optimiser& optimiser) {
  if (FactorKindOf(optimiser) == FactorKind::kDelta) return 0;
  return kCommonScalars + OwnScalarCount(optimiser.kind);
}

void StepScalars(const Optimiser& optimiser, float rate, uint64_t age,
                 std::span<float> scalars) {
  if (scalars.empty()) return;
  double row[kMostScalars];
  row[0] = rate * OwnScalars(optimiser, age, row + kCommonScalars);
  row[1] = optimiser.l2;
  row[2] = optimiser.l1;
  row[3] = double{rate} * double{optimiser.decoupled_decay};
  row[4] = optimiser.max_value;
  std::transform(row, row + scalars.size(), scalars.begin(),
                 [](double value) { return static_cast<float>(value); });
}

}  // namespace backprop
