// SPDX-License-Identifier: Apache-2.0
//
// Which steps delta.proto (6) refuses, decided before anything is changed.
//
// A step is refused if some |D| might exceed 2^96, or some |g| that enters the
// optimiser 2^48: then no sum of steps overflows, and weights stay finite. To
// look at every D first would cost another pass over the weights, so a step is
// judged by upper bounds: of |g|, which its factors give, and of |w| and |m|,
// where its rule reads them.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_BOUNDS_H_
#define BACKPROP_ENGINE_TRAINING_STEP_BOUNDS_H_

#include <limits>
#include <span>

#include "engine/contract/delta.h"
#include "engine/contract/rules.h"

namespace backprop {

// The bounds of |w| and |m|, carried from step to step of one run: each step
// that is let pass raises them by as much as it can have moved a weight. They
// begin as unknown (infinite), and only where they refuse a step are the
// weights and the state looked at, number by number. So whether a step is
// refused depends on that step and on the weights and state before it, and not
// on the run that it came in.
//
//   StepBounds bounds;                              // for each run
//   for each step:
//     if (!bounds.Allow(rule, scalars, largest_g, weights, state)) stop;
//     … apply the step …
class StepBounds {
 public:
  // Whether the step may be applied; if so, the caller applies it. gradient:
  // upper bound of the |g| that the step's factors make (of |D| with
  // the rule None), NaN if there is none, which is refused. scalars: the
  // step's. weights: (weight_count); state: (state_count, weight_count); both
  // as they are before the step.
  bool Allow(Rule rule, std::span<const float> scalars, double gradient,
             std::span<const float> weights, std::span<const float> state);

  // As Allow, for a caller whose weights are not those before the step, as in
  // the middle of a block: by the bounds carried along alone. True is final;
  // false only says that the weights must be looked at.
  bool AllowUnseen(Rule rule, std::span<const float> scalars, double gradient) {
    return gradient <= kLargestDelta && Advance(rule, scalars, gradient);
  }

 private:
  bool Advance(Rule rule, std::span<const float> scalars, double gradient);

  double weight_ = std::numeric_limits<double>::infinity();  // of |w|
  double moment_ = std::numeric_limits<double>::infinity();  // of |m|
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_BOUNDS_H_
