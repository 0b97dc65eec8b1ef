// SPDX-License-Identifier: Apache-2.0
//
// A block of steps, sweep after sweep over a window that moves on: what
// BlockTrainer (block_trainer.h) knows of a network's three parts is here. One
// block is
//
//   window.Begin(first, count);        // the run's samples of the block
//   outcome = window.Sweep({0, 8});    // accepts some of them, 3 say
//   outcome = window.Sweep({3, 11});   // goes on where the last one ended
//   ...
//   window.Apply(16);                  // delta rows, weights and state
//
// Until Apply, weights and state are those of the block's start; the direct
// layers alone move with each accepted sample, in a copy.
#ifndef BACKPROP_ENGINE_TRAINING_BLOCK_WINDOW_H_
#define BACKPROP_ENGINE_TRAINING_BLOCK_WINDOW_H_

#include <cstddef>
#include <vector>

#include "engine/contract/optimiser.h"
#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"
#include "engine/training/block_layers.h"
#include "engine/training/direct_layers.h"
#include "engine/training/step_bounds.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory and state of one call of BlockTrainer::Train; reused. One
// thread at a time.
class BlockWindow {
 public:
  // How far a sweep came, from the window's first sample on.
  struct Outcome {
    size_t accepted = 0;
    // The sample after the accepted ones must not become a step.
    bool broken = false;
    // Whether that sample may become a step can be told only by a block that
    // begins with it.
    bool undecided = false;
  };

  // crew: as Trainer's.
  explicit BlockWindow(Crew* crew) : layers_(crew) {}

  // Makes ready for blocks of up to `rows` samples of the run. pivot: number of
  // the pivot layer; the layers above it are direct. training and run must
  // outlive the use.
  void Prepare(const Training& training, const TrainRun& run, size_t pivot,
               size_t rows);

  // Takes in a block: the run's samples first … first + count − 1.
  void Begin(size_t first, size_t count);

  // Computes the steps of the block's samples in the window, whose predecessors
  // have all been accepted, from what the last sweep found of those that it had
  // in its window too. Accepts at least the first of them, unless that is
  // broken: errors and outputs of the accepted ones are written.
  Outcome Sweep(Window window);

  // Writes the delta rows of the block's first `accepted` samples and brings
  // weights and state to where their steps leave them.
  void Apply(size_t accepted);

 private:
  void ForgetEarlier(Window window);
  void ForwardEarlier(Window window);
  void SweepPivot(Window window);
  bool StepPivot(size_t t);
  void MakeFactor(size_t k, size_t t, bool good);
  void BackwardEarlier(Window window);
  size_t Converged(Window window);
  size_t Allowed(Window window);
  void AcceptDirect(Window window, size_t accepted);

  bool has_direct() const { return pivot_ + 1 < depth_; }
  size_t DirectBegin() const;

  // Constant over a call.
  const Training* training_ = nullptr;
  const TrainRun* run_ = nullptr;
  size_t depth_ = 0;
  size_t pivot_ = 0;
  size_t first_ = 0;            // the block's first sample in the run
  size_t swept_ = 0;            // samples of the block that a sweep has seen
  BlockLayers layers_;          // up to the pivot
  std::vector<char> broken_;    // per sample of the block, in this sweep
  std::vector<double> bounds_;  // likewise: of |D|, or of |g| with a rule
  StepBounds step_bounds_;      // with a rule
  DirectLayers direct_;
  // The direct layers' part of the weight vector, as the accepted samples left
  // it.
  std::vector<float> direct_weights_;
  Scratch next_;  // the pivot's activations; a row
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BLOCK_WINDOW_H_
