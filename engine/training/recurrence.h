// SPDX-License-Identifier: Apache-2.0
//
// How the weights that a block's steps see follow from what there was at its
// start, for optimisers whose update is linear in gradient, weights and
// momentum. Every weight w with its momentum m obeys the same recurrence, so a
// block needs only numbers:
//
//   w before step t = keep(t)·W + push(t)·M + Σ_{s<t} answer(t, s)·g_s
//
// with W, M: weight and momentum at the block's start, g_s: gradient of step s
// (engine/README.md, "Optimisers with linear state").
#ifndef BACKPROP_ENGINE_TRAINING_RECURRENCE_H_
#define BACKPROP_ENGINE_TRAINING_RECURRENCE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/contract/optimiser.h"

namespace backprop {

class Recurrence {
 public:
  // Whether its update is linear: SGD with or without momentum, l2 and
  // decoupled decay, but not l1 or clipping.
  static bool Covers(const Optimiser& optimiser);

  // For steps with these scalar rows (delta.proto (7)). scalars: at least
  // (steps, scalar_count). rule: of an optimiser that is covered, but not None.
  void Load(Rule rule, std::span<const float> scalars, size_t steps);

  float keep(size_t t) const { return static_cast<float>(w_[t].keep); }
  float push(size_t t) const { return static_cast<float>(w_[t].push); }
  // s < t
  float answer(size_t t, size_t s) const { return answers_[t * steps_ + s]; }

 private:
  // A number's parts of W and M.
  struct Origin {
    double keep = 0;
    double push = 0;
  };

  size_t steps_ = 0;
  std::vector<Origin> w_;        // before each step
  std::vector<float> answers_;   // (steps, steps)
  std::vector<double> weights_;  // what each gradient made of w so far ...
  std::vector<double> moments_;  // ... and of m
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_RECURRENCE_H_
