// SPDX-License-Identifier: Apache-2.0
//
// The naive twin of engine/training/trainer.h: plain descent in double
// precision, obvious loops, one sample after another. Fast routines are
// compared with it.
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_TRAINER_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_TRAINER_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "engine/network/network.h"
#include "tests/twins/reference_functions.h"

namespace backprop::testing {

// What the twin trains on.
struct Sample {
  Vector input;
  Vector target;
  double weight = 1;
  // Of each layer what its outputs are multiplied by, (outputs); empty where
  // nothing is dropped. Empty altogether: no dropout.
  std::vector<Vector> dropout = {};
};

// One sample on its way through one layer.
struct ReferencePass {
  Vector inputs;   // what the layer sees; x in the first layer
  Vector z;        // pre-activations W·inputs + b
  Vector outputs;  // f(z), before dropout
  Vector signal;   // δ = ∂E/∂z; empty after a forward pass alone
};

// One sample: its passes, first layer first, and its weighted error.
struct ReferenceSample {
  std::vector<ReferencePass> passes;
  double error = 0;
  // Smallest distance from a kink of any z, and of the outputs from one of the
  // loss.
  double kink_distance = 0;

  const Vector& outputs() const { return passes.back().outputs; }
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

// The forward pass of one sample, and its error. weights: flat, layer after
// layer, each layer's matrix (out, in) row-major, then its bias.
ReferenceSample ReferenceForward(const NetworkSpec& network,
                                 const Vector& weights, const Sample& sample);

// The mean error of a step's samples.
double ReferenceStepError(const NetworkSpec& network, const Vector& weights,
                          const std::vector<Sample>& samples);

class ReferenceTrainer {
 public:
  // network must outlive it.
  ReferenceTrainer(const NetworkSpec& network, Vector weights)
      : network_(network), weights_(std::move(weights)) {}

  // One step: ΔW = −α·∂E/∂W.
  ReferenceStep Step(const std::vector<Sample>& samples, double learning_rate);

  const Vector& weights() const { return weights_; }
  void set_weights(Vector weights) { weights_ = std::move(weights); }

 private:
  // Fills in the signals, last layer first.
  void Backward(const Sample& sample, ReferenceSample& passed) const;
  void AddGradient(const ReferenceSample& sample, Vector& gradient) const;

  const NetworkSpec& network_;
  Vector weights_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_TRAINER_H_
