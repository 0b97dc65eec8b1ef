// SPDX-License-Identifier: Apache-2.0
//
// A block's layers that are not direct, and the products that need the weights
// as the block's steps left them, made of products with those of its start
// (engine/README.md has the equations).
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

// A row a sample of the block.
struct BlockLayer {
  Matrix w;  // the weights at the block's start
  const float* bias;
  Matrix m;  // the momentum at the block's start; data is null without
  const float* m_bias;
  const LayerSpec* spec;
  MutableRows a;       // what the layer sees
  MutableRows base;    // a·Wᵀ + bias, without what the block's steps g_s add
  MutableRows z;       // pre-activations with the weights of the sample's step
  MutableRows signal;  // δ = ∂E/∂z
  MutableRows u;       // factor
  MutableRows gram;    // how much step s moves z of sample t, per u^s
};

class BlockLayers {
 public:
  // crew: shares products and updates of large layers; null: none.
  explicit BlockLayers(Crew* crew) : crew_(crew) {}

  // Of layers 0 … last, for blocks of up to `rows` samples. training and run
  // must outlive the use.
  void Prepare(const Training& training, const TrainRun& run, size_t last,
               size_t rows);

  // Takes in the run's samples first … first + count − 1, with what is known of
  // them at once: the first layer's a, base and gram, and the scalar rows.
  void Load(size_t first, size_t count);

  BlockLayer& operator[](size_t k) { return layers_[k]; }

  // Layer k's base and gram in the window, from its a.
  void Correlate(size_t k, Window window);

  // z ← base + Σ_{s<t} gram·u^s, layer k, in the window. z: (rows, outputs).
  void Correct(size_t k, Window window, MutableRows z);

  // The signal of layer k − 1 in the window, from layer k's.
  void Propagate(size_t k, Window window);

  // Writes those layers' delta rows of the block's first `accepted` samples,
  // which are the run's from `first` on, and brings weights and state to where
  // their steps leave them.
  void Apply(size_t first, size_t accepted);

  // What makes a step's u of its signal.
  float scale(size_t t) const { return plain_ ? -rates_[t] : 1; }
  float rate(size_t t) const { return rates_[t]; }

  // Room for a layer's rows; others' calls may use it.
  MutableRows spare(size_t size) const { return {spare_, Padded(size)}; }

 private:
  // rows ← keep(t)·rows, in the window.
  void Keep(MutableRows rows, Window window, size_t size) const;
  // rows += push(t)·spare, in the window.
  void Push(MutableRows rows, Window window, size_t size) const;

  // Calls work(begin, end) for [0, size) in parts, by the crew if the layer is
  // large; each with a scratch of its own.
  template <class Work>
  void Share(const Matrix& w, size_t size, const Work& work);
  float* RowOf(size_t sample) const;
  void ApplyLayer(size_t k, size_t first, size_t accepted);
  void ApplyOptimiser(size_t k, size_t first, size_t accepted);

  Crew* const crew_;  // constant after construction
  const Training* training_ = nullptr;
  const TrainRun* run_ = nullptr;
  bool plain_ = true;  // steps don't change how earlier ones count
  std::vector<BlockLayer> layers_;
  std::vector<float> rates_;  // α of each of the block's steps
  Recurrence recurrence_;     // of steps, unless plain_
  float* spare_ = nullptr;
  Scratch memory_;                     // of the layers' rows
  Scratch scratch_;                    // of kernels
  std::vector<Scratch> part_scratch_;  // of kernels, one for each of a crew
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BLOCK_LAYERS_H_
