// SPDX-License-Identifier: Apache-2.0
//
// Plain SGD with steps of several samples: a step's samples are a panel, and
// each layer's update is one pass over its weights.
#ifndef BACKPROP_ENGINE_TRAINING_BATCH_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_BATCH_TRAINER_H_

#include <cstddef>
#include <span>
#include <vector>

#include "engine/contract/layout.h"
#include "engine/kernels/layer_product.h"
#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory of one call of Train; reused. One thread at a time.
class BatchTrainer {
 public:
  // Whether Train can do it: plain SGD, without dropout and clipping.
  static bool Takes(const Training& training);

  // As Trainer::Train, but also stops before a step whose |D| can't be bounded
  // by its factors' sizes: those of a DENSE layer must be looked at.
  size_t Train(const Training& training, const TrainRun& run);

 private:
  // A row a sample of the step.
  struct Layer {
    LayerLayout at;
    Matrix w;
    const float* bias;
    const LayerSpec* spec;
    MutableRows z;
    MutableRows a;       // f(z)
    MutableRows signal;  // ∂E/∂z, then the factor u
  };

  void Prepare(const Training& training, std::span<float> weights);
  void Forward(Rows inputs);
  double LastSignal(std::span<const float> targets,
                    std::span<const float> sample_weights);
  bool Backward(Rows inputs, float rate);
  void Apply(Rows inputs, std::span<float> row, std::span<float> weights);
  void WriteFactors(const Layer& layer, const Rows* below, float* part) const;

  const Training* training_ = nullptr;
  size_t batch_ = 0;
  std::vector<Layer> layers_;
  Scratch memory_;   // of the layers' rows
  Scratch scratch_;  // of kernels
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_BATCH_TRAINER_H_
