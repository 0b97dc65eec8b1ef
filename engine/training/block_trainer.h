// SPDX-License-Identifier: Apache-2.0
//
// Sequential stochastic gradient descent at the speed of matrix products: many
// steps are computed from one read of the weights and applied in one pass. It
// is the same algorithm as one step after another, only re-associated;
// engine/README.md has the equations, and why they hold.
//
// A network is seen as three parts, from the inputs up:
//   earlier layers   products are done for a window of samples at once, on the
//                    weights of the block's start; what the block's steps
//                    change is added: known for samples before the window, and
//                    by iteration, until it is less than rounding, in it
//   pivot layer      the same product, but corrected exactly, sample by sample
//   direct layers    small; each sample updates them at once (DirectLayers)
// A network with one hidden layer has no earlier layers and nothing to iterate;
// a small network has direct layers only.
#ifndef BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/contract/weight_pass.h"
#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"
#include "engine/training/block_layers.h"
#include "engine/training/direct_layers.h"
#include "engine/training/step_bounds.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory and state of one call of Train; reused. One thread at a time.
class BlockTrainer {
 public:
  // crew: as Trainer's.
  explicit BlockTrainer(Crew* crew = nullptr) : layers_(crew) {}

  // Whether Train should do it: steps of one sample by plain SGD, or by another
  // optimiser that is linear in the gradient where that is faster than one step
  // after another; without dropout and clipping.
  static bool Takes(const Training& training);

  // As Trainer::Train. REQUIRES: Takes(training).
  size_t Train(const Training& training, const TrainRun& run);

 private:
  // How far a window came. broken: the sample after the accepted ones must not
  // become a step.
  struct Outcome {
    size_t accepted = 0;
    bool broken = false;
    size_t sweeps = 1;
  };

  void Prepare();
  size_t TrainDirect();
  Outcome TrainBlock(size_t first, size_t count);
  Outcome TrainWindow(size_t first, Window window);
  void AdaptWindow(const Outcome& outcome, size_t tried);
  void ForwardEarlier(Window window);
  void SweepPivot(size_t first, Window window);
  bool StepPivot(size_t sample, size_t t);
  void MakeFactor(size_t k, size_t t, bool good);
  void BackwardEarlier(Window window);
  size_t Converged(Window window);
  size_t Allowed(size_t first, Window window);
  void AcceptDirect(size_t first, Window window, size_t accepted);
  void Apply(size_t first, size_t accepted);

  size_t DirectBegin() const;
  float* RowOf(size_t sample) const;
  const float* TargetOf(size_t sample) const;
  float WeightOf(size_t sample) const;
  float RateOf(size_t sample) const;
  float* OutputOf(size_t sample) const;  // null if nobody wants it

  // Constant over a call.
  const Training* training_ = nullptr;
  const TrainRun* run_ = nullptr;
  size_t depth_ = 0;
  size_t pivot_ = 0;  // its number; layers from pivot_ + 1 on are direct

  Rule rule_ = Rule::kNone;

  BlockLayers layers_;          // up to the pivot
  std::vector<char> broken_;    // per sample of the block, in this sweep
  std::vector<double> bounds_;  // likewise: of |D|, or |g| with a rule
  size_t window_ = 0;           // samples of the next window
  size_t most_window_ = 0;
  StepBounds step_bounds_;  // with a rule
  DirectLayers direct_;
  // The direct layers' part of the weight vector, as the accepted samples left
  // it.
  std::vector<float> direct_weights_;
  Scratch next_;           // the pivot's activations; a row
  Scratch direct_inputs_;  // of a network of direct layers alone
  Scratch scratch_;        // of kernels
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_
