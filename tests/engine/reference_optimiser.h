// SPDX-License-Identifier: Apache-2.0
//
// How weights move, in double precision. An optimiser returns the step; whoever
// holds the weights adds it.
#ifndef BACKPROP_TESTS_ENGINE_REFERENCE_OPTIMISER_H_
#define BACKPROP_TESTS_ENGINE_REFERENCE_OPTIMISER_H_

#include "tests/engine/reference_functions.h"

namespace backprop::testing {

class ReferenceOptimiser {
 public:
  virtual ~ReferenceOptimiser() = default;

  // D of one step. gradient: ∂E/∂w, the mean over the step's samples; weights:
  // before the step; all (weight_count).
  virtual Vector Step(const Vector& gradient, const Vector& weights) = 0;
};

// ΔW = −α·∂E/∂W.
class ReferenceSgd : public ReferenceOptimiser {
 public:
  explicit ReferenceSgd(double learning_rate) : learning_rate_(learning_rate) {}

  Vector Step(const Vector& gradient, const Vector&) override {
    Vector step;
    for (const double g : gradient) step.push_back(-learning_rate_ * g);
    return step;
  }

 private:
  const double learning_rate_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_REFERENCE_OPTIMISER_H_
