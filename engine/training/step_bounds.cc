// SPDX-License-Identifier: Apache-2.0
//
// Let G, W, M bound |g|, |w|, |m| before the step. The formulas of delta.proto
// (7), read with the triangle inequality, give
//     G′ = min(G, clip) + l2·W + l1           |g| as it enters the optimiser
//     M′ = μ·M + G′                           momentum
//     M′ = β1·M + (1 − β1)·G′                 Adam
//     P  = G′, M′ or G′ + μ·M′                SGD: plain, momentum, Nesterov
//     P  = G′/ε  or  M′/ε                     others, as fl(fl(√v) + ε) ≥ ε
//     D  = rate·P + decay·W                   |D|
//     W′ = W + D                              |w| after the step
// in exact arithmetic. Each is made of at most 16 operations that round, each
// of which adds 2^−24 of the result or 2^−150, so that the factor and the term
// of Rounded() cover them. Comparisons are written so that NaN fails them.
//
// v needs no bound. With G′ ≤ 2^48 squares are at most 2^96, weighted means of
// them (RMSprop, Adam) too, and Adagrad's sum stands still from 2^121 on, where
// fl(v + 2^96) = v; no v is negative. Nor does m overflow: μ ≤ 1 − 2^−24, hence
// |m| ≤ 2^24·2^48 however many steps follow. A raw G ≤ 2^96 keeps g itself
// finite, which clipping needs. |w| stays finite by (6).
#include "engine/training/step_bounds.h"

#include <algorithm>

#include "engine/kernels/magnitude.h"

namespace backprop {
namespace {

double Rounded(double bound) { return bound * (1 + 0x1p-20) + 0x1p-140; }

bool ReadsMoment(Rule rule) {
  return rule == Rule::kMomentum || rule == Rule::kNesterov ||
         rule == Rule::kAdam;
}

// G′
double Entering(std::span<const float> scalars, double gradient,
                double weight) {
  const double l2 = scalars[1];
  const double l1 = scalars[2];
  const double clip = scalars[4];
  if (clip != 0) gradient = std::min(gradient, clip);
  if (l2 != 0) gradient += l2 * weight;
  return Rounded(gradient + l1);
}

}  // namespace

bool StepBounds::Allow(Rule rule, std::span<const float> scalars,
                       double gradient, std::span<const float> weights,
                       std::span<const float> state) {
  if (!(gradient <= kLargestDelta)) return false;
  if (rule == Rule::kNone || Advance(rule, scalars, gradient)) return true;
  const bool reads_weight = scalars[1] != 0 || scalars[3] != 0;
  if (reads_weight) weight_ = LargestMagnitude(weights.data(), weights.size());
  if (ReadsMoment(rule)) {
    moment_ = LargestMagnitude(state.data(), weights.size());
  }
  return Advance(rule, scalars, gradient);
}

bool StepBounds::Advance(Rule rule, std::span<const float> scalars,
                         double gradient) {
  const double g = Entering(scalars, gradient, weight_);
  if (!(g <= kLargestGradient)) return false;
  const auto own = scalars.subspan(kCommonScalars);
  double moment = moment_;
  double p = g;
  switch (rule) {
    case Rule::kNone:
    case Rule::kSgd:
      break;
    case Rule::kMomentum:
      p = moment = Rounded(own[0] * moment_ + g);
      break;
    case Rule::kNesterov:
      moment = Rounded(own[0] * moment_ + g);
      p = g + own[0] * moment;
      break;
    case Rule::kAdagrad:
      p = g / own[0];
      break;
    case Rule::kRmsProp:
      p = g / own[2];
      break;
    case Rule::kAdam:
      moment = Rounded(own[0] * moment_ + own[1] * g);
      p = moment / own[4];
      break;
  }
  double delta = scalars[0] * p;
  if (scalars[3] != 0) delta += scalars[3] * weight_;
  delta = Rounded(delta);
  if (!(delta <= kLargestDelta)) return false;
  moment_ = moment;
  weight_ = Rounded(weight_ + delta);
  return true;
}

}  // namespace backprop
