// SPDX-License-Identifier: Apache-2.0
//
// The naive twin of engine/trainer.h: double precision, obvious loops, one
// sample after another. Fast routines are compared with it.
#ifndef BACKPROP_TESTS_ENGINE_REFERENCE_TRAINER_H_
#define BACKPROP_TESTS_ENGINE_REFERENCE_TRAINER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/network.h"
#include "tests/engine/reference_functions.h"
#include "tests/engine/reference_optimiser.h"

namespace backprop::testing {

// One sample on its way through one layer.
struct ReferencePass {
  Vector inputs;   // a of the layer before; x in the first layer
  Vector z;        // pre-activations W·inputs + b
  Vector outputs;  // f(z)
  Vector signal;   // δ = ∂E/∂z; empty after a forward pass alone
};

// One sample: its passes, first layer first, and its error.
struct ReferenceSample {
  std::vector<ReferencePass> passes;
  double error = 0;

  const Vector& outputs() const { return passes.back().outputs; }
  // Smallest distance of any z from a kink of its activation.
  double KinkDistance(const NetworkSpec& network) const;
};

// One step.
struct ReferenceStep {
  std::vector<ReferenceSample> samples;
  double error = 0;  // mean over samples, before the update
  Vector gradient;   // ∂E/∂w, mean over samples (weight_count)
  Vector delta;      // D (weight_count)
};

// Number of weights, biases included.
size_t WeightCount(const NetworkSpec& network);

// The forward pass of one sample. weights: flat, layer after layer, each
// layer's matrix (out, in) row-major, then its bias.
ReferenceSample ReferenceForward(const NetworkSpec& network,
                                 const Vector& weights, const Vector& input);

// E of one sample.
double ReferenceError(const NetworkSpec& network, const Vector& weights,
                      const Vector& input, const Vector& target);

class ReferenceTrainer {
 public:
  // network and optimiser must outlive it.
  ReferenceTrainer(const NetworkSpec& network, ReferenceOptimiser& optimiser,
                   Vector weights)
      : network_(network),
        optimiser_(optimiser),
        weights_(std::move(weights)) {}

  // One step on `inputs.size()` samples.
  ReferenceStep Step(const std::vector<Vector>& inputs,
                     const std::vector<Vector>& targets);

  const Vector& weights() const { return weights_; }
  void set_weights(Vector weights) { weights_ = std::move(weights); }

 private:
  // Fills in the signals, last layer first.
  void Backward(const Vector& target, ReferenceSample& sample) const;
  void AddGradient(const ReferenceSample& sample, Vector& gradient) const;

  const NetworkSpec& network_;
  ReferenceOptimiser& optimiser_;
  Vector weights_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_REFERENCE_TRAINER_H_
