// SPDX-License-Identifier: Apache-2.0
//
// One pass over a matrix of weights that forms the gradient, updates the
// optimiser's state, makes D and adds it, while the numbers are in registers:
// delta.proto (1), (2), (3) and (7). Vectorised for the CPU at hand; the same
// bits on every CPU, because each operation is one correctly rounded addition,
// multiplication, division or square root. Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_CONTRACT_WEIGHT_PASS_H_
#define BACKPROP_ENGINE_CONTRACT_WEIGHT_PASS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/contract/factors.h"
#include "engine/contract/rules.h"

namespace backprop {

// The matrices that a pass reads and writes, all (rows, columns) without gaps.
struct PassTargets {
  size_t rows;
  size_t columns;
  float* weights;
  float* state[kMostStates] = {};  // the state vectors in order, else null
  float* delta = nullptr;  // receives D, unless null; may be the factors' a
  bool add = true;         // w ← fl(w + D); else the weights are only read
  NextProduct next = {};
};

// The steps that a pass does.
struct PassSteps {
  uint64_t first;  // the first step's number, from 1 on
  Rule rule;
  std::span<const float> scalars;  // (steps, scalar_count) of the rule

  // Of the rule None, which has no scalars and nothing that a number decides.
  static PassSteps Plain() { return {1, rules::None::kRule, {}}; }
};

// One step.
void RunPass(const PassSteps& step, const Factors& factors,
             const PassTargets& targets);

// A step for each sample, in their order, with the bits that as many calls of
// RunPass would give, but with one read of weights and state for up to
// kFlushPeriod steps. Of targets,
// neither delta nor next may be set, and add must be.
void RunSteps(const PassSteps& steps, const Factors& factors,
              const PassTargets& targets);

// next.z = W·next.x by itself, with the bits that a pass gives it.
void RunProduct(const float* weights, size_t rows, size_t columns,
                const NextProduct& next);

// A run of weights and what belongs to each: the same run of the state vectors,
// in order; empty where there is none.
struct WeightRun {
  std::span<float> weights;
  std::span<float> state[kMostStates];
};

// One step on the gradient g of a run of weights: updates the state, turns g
// into D in place. The weights are read but not changed: the caller adds D.
void GradientToDelta(const PassSteps& step, const WeightRun& run,
                     std::span<float> g);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_WEIGHT_PASS_H_
