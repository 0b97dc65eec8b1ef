// SPDX-License-Identifier: Apache-2.0
//
// The last layers of a network, where they are small enough to lie in the
// first-level cache: each sample updates them at once. All of a step's work on
// them is one function, on a copy of the weights that is padded to whole
// vectors; nothing else can be had from so little arithmetic.
#ifndef BACKPROP_ENGINE_TRAINING_DIRECT_LAYERS_H_
#define BACKPROP_ENGINE_TRAINING_DIRECT_LAYERS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/kernels/scratch.h"
#include "engine/training/direct_layer.h"
#include "engine/training/training.h"

namespace backprop {

// One sample's way through the layers.
struct DirectSample {
  const float* input;   // (inputs of the first of these layers), padded with
                        // zeros to whole lines, at the begin of a line
  const float* target;  // (output_size)
  float* row;           // the step's delta row
  float* output;        // (output_size) or null
  float* below;         // ∂E/∂input, laid out as the input; or null
  float rate;           // α of its step
  float weight;         // of the sample
};

class DirectLayers {
 public:
  // Copies the layers from `first` on; `weights` is the part of the weight
  // vector that begins with them. training must outlive the use.
  void Load(const Training& training, size_t first,
            std::span<const float> weights);

  // Copies the weights back, to the same part.
  void Store(std::span<float> weights) const;

  // One step: error, factors, update. False: the error is not finite or some
  // |D| might exceed kLargestDelta, and nothing was updated.
  bool Step(const DirectSample& sample, float* error);

 private:
  const Training* training_ = nullptr;
  size_t first_ = 0;
  size_t begin_ = 0;  // of layer first_ in the weight vector
  std::vector<DirectLayer> layers_;
  Scratch memory_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_DIRECT_LAYERS_H_
