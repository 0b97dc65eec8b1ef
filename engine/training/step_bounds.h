// SPDX-License-Identifier: Apache-2.0
//
// Which steps delta.proto (6) refuses, decided before anything is changed.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_BOUNDS_H_
#define BACKPROP_ENGINE_TRAINING_STEP_BOUNDS_H_

#include <limits>
#include <span>

#include "engine/contract/delta.h"
#include "engine/contract/optimiser.h"
#include "engine/contract/weight_pass.h"

namespace backprop {

// Upper bounds of the numbers that steps work on, carried along from step to
// step of one run. A bound is as good as unknown at first; when a step can't be
// let pass by the bounds carried along, the numbers themselves are looked at,
// so that whether a step is refused depends on it and on the weights and state
// before it, not on the steps that went before it in the run.
class StepBounds {
 public:
  // gradient: bound of the |g| that the step's factors make (of |D| with
  // Rule::kNone), NaN if there is none; scalars: the step's; weights, state:
  // before the step. Whether the step may be applied; the caller then does.
  bool Allow(Rule rule, std::span<const float> scalars, double gradient,
             std::span<const float> weights, std::span<const float> state);

  // As Allow, by the bounds carried along alone: false is not the last word.
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
