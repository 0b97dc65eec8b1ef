// SPDX-License-Identifier: Apache-2.0
#include "engine/training/recurrence.h"

#include <variant>

namespace backprop {
namespace {

// One step's constants.
struct Step {
  double rate;
  double l2;
  double decay;
  double momentum;
  bool nesterov;
};

// delta.proto (7) without its roundings: moves w and m on, g being the gradient
// before l2.
void Advance(const Step& step, double g, double& w, double& m) {
  const double with_l2 = g + step.l2 * w;
  m = step.momentum * m + with_l2;
  const double p = step.nesterov ? with_l2 + step.momentum * m : m;
  w -= step.rate * p + step.decay * w;
}

}  // namespace

bool Recurrence::Covers(const Optimiser& optimiser) {
  const bool linear = std::holds_alternative<rules::Sgd>(optimiser.rule) ||
                      std::holds_alternative<rules::Momentum>(optimiser.rule) ||
                      std::holds_alternative<rules::Nesterov>(optimiser.rule);
  return linear && optimiser.l1 == 0 && optimiser.max_value == 0 &&
         optimiser.max_norm == 0;
}

void Recurrence::Load(Rule rule, std::span<const float> scalars, size_t steps) {
  const size_t count = ScalarCount(rule);
  steps_ = steps;
  w_.resize(steps);
  answers_.resize(steps * steps);
  weights_.assign(steps, 0);
  moments_.assign(steps, 0);
  double keep[2] = {1, 0};  // what W makes of w and m
  double push[2] = {0, 1};  // what M does
  for (size_t t = 0; t < steps; ++t) {
    w_[t] = {keep[0], push[0]};
    const auto row = scalars.subspan(t * count, count);
    const Step step{row[0], row[1], row[3], row[kCommonScalars],
                    rule == rules::Nesterov::kRule};
    for (size_t s = 0; s < t; ++s) {
      answers_[t * steps + s] = static_cast<float>(weights_[s]);
      Advance(step, 0, weights_[s], moments_[s]);
    }
    Advance(step, 1, weights_[t], moments_[t]);
    Advance(step, 0, keep[0], keep[1]);
    Advance(step, 0, push[0], push[1]);
  }
}

}  // namespace backprop
