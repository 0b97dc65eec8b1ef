// SPDX-License-Identifier: Apache-2.0
//
// The layers of a block of steps that are too large to be updated by each
// sample at once: those up to the pivot (block_window.h).
//
// A block is up to 64 samples t = 0, 1…, each of which is a step. Sample t must
// see the weights that steps s < t have left, yet while the block lasts W stays
// as it was at its start: only so are products of W with many samples one read
// of it. What the steps have changed is added to the products instead. With
// plain SGD step s adds u^s ⊗ a^s to W and u^s to the bias, so a layer's
// pre-activation is
//
//   z^t = W·a^t + b  +  Σ_{s<t} u^s·(a^s·a^t + 1)
//         `base`                    `gram[t][s]`
//
// and the signal that it hands down, δ being its own,
//
//   W_tᵀ·δ^t = Wᵀ·δ^t + Σ_{s<t} a^s·(u^s·δ^t)
//
// The sums are thin: their coefficients are products of samples with samples.
// Where the optimiser has momentum or decay, W and each gradient count for more
// or less at step t than at the start (Recurrence), and both parts are scaled
// accordingly: base becomes keep(t)·(W·a^t + b) + push(t)·(M·a^t + m_b), and a
// gram entry is times answer(t, s). engine/README.md derives all this.
//
// Layer k of a block is worked on in this order, window after window of its
// samples:
//
//   layers.Load(first, 32);              // layer 0 has its a, base and gram
//   layers.Correct(k, window, z);        // z = base + Σ gram·u
//   … f(z) is written to layers[k].f …
//   layers.Correlate(k + 1, window);     // base and gram of k + 1, from its a
//   … up to the pivot, whose signal is known then …
//   layers.Propagate(k, window);         // signal of k − 1, from that of k
//   … u = scale(t)·signal is written to layers[k − 1].u …
//   layers.Apply(first, accepted);       // delta rows, weights, state
#ifndef BACKPROP_ENGINE_TRAINING_BLOCK_LAYERS_H_
#define BACKPROP_ENGINE_TRAINING_BLOCK_LAYERS_H_

#include <cstddef>
#include <vector>

#include "engine/kernels/layer_product.h"
#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"
#include "engine/training/crew.h"
#include "engine/training/recurrence.h"
#include "engine/training/training.h"

namespace backprop {

// One layer (outputs, inputs). Rows are a sample of the block each, in order.
struct BlockLayer {
  Matrix w;  // (outputs, inputs), at the block's start
  const float* bias;
  Matrix m;  // the momentum at the block's start; data is null without
  const float* m_bias;
  const LayerSpec* spec;
  Rows a;              // (rows, inputs): what the layer sees
  MutableRows base;    // (rows, outputs): z without what the block's steps add
  MutableRows z;       // (rows, outputs), with what they add
  MutableRows f;       // (rows, outputs): f(z), the next layer's a
  MutableRows signal;  // (rows, outputs): δ = ∂E/∂z
  MutableRows u;       // (rows, outputs): the factor of the sample's step
  MutableRows gram;    // (rows, rows): [t][s], s < t: how much u^s moves z^t
};

// Scratch memory and state of one block; reused. One thread at a time, but for
// the parts that its crew is given.
class BlockLayers {
 public:
  // crew: shares products and updates of large layers; null: none.
  explicit BlockLayers(Crew* crew) : crew_(crew) {}

  // Makes room for layers 0 … last and blocks of up to `rows` samples. training
  // and run must outlive the use.
  void Prepare(const Training& training, const TrainRun& run, size_t last,
               size_t rows);

  // Begins a block with the run's samples first … first + count − 1, and makes
  // what is known of them at once: the first layer's a, base and gram, and the
  // steps' scalar rows.
  void Load(size_t first, size_t count);

  BlockLayer& operator[](size_t k) { return layers_[k]; }

  // Makes layer k's base and gram in the window, from its a there and before.
  void Correlate(size_t k, Window window);

  // z^t ← base^t + Σ_{s<t} gram[t][s]·u^s for layer k's samples t in the
  // window, with u as it is now. z: (rows, outputs), layer k's own or another.
  void Correct(size_t k, Window window, MutableRows z);

  // Makes the signal of layer k − 1 in the window, from layer k's there and
  // before.
  void Propagate(size_t k, Window window);

  // Writes those layers' delta rows of the block's first `accepted` samples,
  // which are the run's from `first` on, and brings weights and state to where
  // their steps leave them.
  void Apply(size_t first, size_t accepted);

  // What makes sample t's u of its signal: −α with plain SGD, else 1.
  float scale(size_t t) const { return is_plain() ? -rates_[t] : 1; }
  // α of sample t's step.
  float rate(size_t t) const { return rates_[t]; }

  // Room for a row a sample, (rows, size), of any layer; the next call of
  // Correlate or Propagate writes over it.
  MutableRows spare(size_t size) const { return {spare_, Padded(size)}; }

 private:
  // Then keep and answer are 1, and push is 0.
  bool is_plain() const { return training_->layout->is_plain(); }

  // rows[t] ← keep(t)·rows[t], in the window: W's part.
  void ScaleByKeep(MutableRows rows, Window window, size_t size) const;
  // rows[t] += push(t)·spare, in the window: M's part, whose products are in
  // spare from its first row on.
  void AddPush(MutableRows rows, Window window, size_t size) const;

  // Calls work(begin, end, scratch) for parts of [0, size), by the crew if w is
  // large; each has a scratch of its own.
  template <class Work>
  void Share(const Matrix& w, size_t size, const Work& work);
  void ApplyLayer(size_t k, size_t first, size_t accepted);
  void ApplyOptimiser(size_t k, size_t first, size_t accepted);

  Crew* const crew_;  // constant after construction
  const Training* training_ = nullptr;
  const TrainRun* run_ = nullptr;
  std::vector<BlockLayer> layers_;
  std::vector<float> rates_;  // α of each of the block's steps
  Recurrence recurrence_;     // of steps, unless is_plain
  float* spare_ = nullptr;
  Scratch memory_;                     // of the layers' rows
  Scratch scratch_;                    // of kernels
  std::vector<Scratch> part_scratch_;  // of kernels, one for each of a crew
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BLOCK_LAYERS_H_
