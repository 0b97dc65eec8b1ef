// SPDX-License-Identifier: Apache-2.0
//
// Let G, W, M bound |g|, |w|, |m| before the step. The formulas of delta.proto
// (7), read with the triangle inequality, give
//     G′ = min(G, clip) + l2·W + l1           |g| as it enters the rule
//     M′, P                                   |m| after it and |p|: the rule's
//                                             Bound (engine/contract/rules.h)
//     D  = rate·P + decay·W                   |D|
//     W′ = W + D                              |w| after the step
// in exact arithmetic. Each is made of at most 16 operations that round, so
// that Rounded() covers them. Comparisons are written so that NaN fails them.
//
// v needs no bound: with G′ ≤ 2^48 squares are at most 2^96, and no v leaves
// the range that its rule gives it, however many steps follow. Nor does m. A
// raw G ≤ 2^96 keeps g itself finite, which clipping needs. |w| stays finite by
// (6).
#include "engine/training/step_bounds.h"

#include <algorithm>

#include "engine/kernels/magnitude.h"

namespace backprop {
namespace {

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
  if (rule == rules::None::kRule || Advance(rule, scalars, gradient)) {
    return true;
  }
  const bool reads_weight = scalars[1] != 0 || scalars[3] != 0;
  if (reads_weight) weight_ = LargestMagnitude(weights.data(), weights.size());
  if (ForRule(rule, [](auto r) { return r.kBoundedByMoment; })) {
    moment_ = LargestMagnitude(state.data(), weights.size());
  }
  return Advance(rule, scalars, gradient);
}

bool StepBounds::Advance(Rule rule, std::span<const float> scalars,
                         double gradient) {
  const double g = Entering(scalars, gradient, weight_);
  if (!(g <= kLargestGradient)) return false;
  const float* const own = scalars.data() + kCommonScalars;
  const Reach reach =
      ForRule(rule, [&](auto r) { return r.Bound(own, g, moment_); });
  double delta = scalars[0] * reach.p;
  if (scalars[3] != 0) delta += scalars[3] * weight_;
  delta = Rounded(delta);
  if (!(delta <= kLargestDelta)) return false;
  moment_ = reach.moment;
  weight_ = Rounded(weight_ + delta);
  return true;
}

}  // namespace backprop
