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
#ifndef BACKPROP_ENGINE_BLOCK_TRAINER_H_
#define BACKPROP_ENGINE_BLOCK_TRAINER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/direct_layers.h"
#include "engine/layer_product.h"
#include "engine/layout.h"
#include "engine/panel_product.h"
#include "engine/rows.h"
#include "engine/trainer.h"

namespace backprop {

// Scratch memory and state of one call of Train; reused. One thread at a time.
class BlockTrainer {
 public:
  // Whether Train can do it: steps of one sample, by plain SGD, without dropout
  // and clipping.
  static bool Takes(const Training& training);

  // As Trainer::Train. REQUIRES: Takes(training).
  size_t Train(const Training& training, const TrainRun& run);

 private:
  // What a block holds for a layer that is not direct; a row a sample.
  struct Layer {
    Matrix w;  // the weights at the block's start
    const float* bias;
    const LayerSpec* spec;
    MutableRows a;     // what the layer sees
    MutableRows base;  // a·Wᵀ + bias with those weights
    MutableRows z;     // pre-activations with the weights of the sample's step
    MutableRows signal;  // δ = ∂E/∂z
    MutableRows u;       // factor
    MutableRows gram;    // a^t·a^s + 1: how much step s moves z of sample t
  };

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
  void LoadBlock(size_t first, size_t count);
  void ForwardEarlier(Window window);
  void SweepPivot(size_t first, Window window);
  bool StepPivot(size_t sample, size_t t);
  void MakeFactor(const Layer& layer, size_t t, bool good);
  void BackwardEarlier(Window window);
  void Correlate(size_t k, Window window);
  size_t Converged(Window window);
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

  std::vector<Layer> layers_;  // up to the pivot
  std::vector<float> rates_;   // α of each of the block's steps
  std::vector<char> broken_;   // per sample of the block, in this sweep
  size_t window_ = 0;          // samples of the next window
  size_t most_window_ = 0;
  DirectLayers direct_;
  // The direct layers' part of the weight vector, as the accepted samples left
  // it.
  std::vector<float> direct_weights_;
  MutableRows next_{};   // the pivot's activations; a row
  MutableRows moved_{};  // z of the layer at hand, moved by the new factors
  Panel memory_;         // all of the above
  Panel scratch_;        // of kernels
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_BLOCK_TRAINER_H_
