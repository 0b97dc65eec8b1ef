// SPDX-License-Identifier: Apache-2.0
//
// Sequential stochastic gradient descent at the speed of matrix products: many
// steps are computed from one read of the weights and applied in one pass. It
// is the same algorithm as one step after another, only re-associated;
// engine/README.md has the equations, and why they hold.
//
// A network is seen as three parts, from the inputs up:
//   earlier layers   Their products are made for a window of samples at once,
//                    with the weights of the block's start, and what the
//                    block's steps change is added. For steps before the window
//                    that is known; within it, it is found by sweeps over the
//                    window, which leaves samples behind as soon as what is
//                    missing of them is less than rounding, and takes in new
//                    ones.
//   pivot layer      The same product, but corrected exactly, sample by sample.
//   direct layers    They are small: each sample updates them at once
//                    (DirectLayers).
// A network with one hidden layer has no earlier layers and nothing to iterate;
// a small network has direct layers only.
//
// This file decides which samples are trained together; block_window.h trains
// them.
#ifndef BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_

#include <cstddef>

#include "engine/kernels/scratch.h"
#include "engine/training/block_window.h"
#include "engine/training/crew.h"
#include "engine/training/direct_layers.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory and state of one call of Train; reused. One thread at a time.
class BlockTrainer {
 public:
  // crew: as Trainer's.
  explicit BlockTrainer(Crew* crew = nullptr) : window_(crew) {}

  // Whether Train should do it: steps of one sample by plain SGD, or by another
  // optimiser that is linear in the gradient where that is faster than one step
  // after another; without dropout and clipping.
  static bool Takes(const Training& training);

  // As Trainer::Train. REQUIRES: Takes(training).
  size_t Train(const Training& training, const TrainRun& run);

 private:
  size_t TrainDirect(const Training& training, const TrainRun& run);
  size_t TrainBlock(size_t first, size_t count, bool* broken);
  void AdaptWindow(size_t accepted);

  BlockWindow window_;   // of networks that have a pivot layer
  bool adapts_ = false;  // whether the window's length does
  size_t samples_ = 0;   // of the next window

  DirectLayers direct_;  // a network of direct layers alone
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BLOCK_TRAINER_H_
