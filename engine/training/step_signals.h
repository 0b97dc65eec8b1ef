// SPDX-License-Identifier: Apache-2.0
//
// The forward and backward passes of one step, layer by layer: activations,
// error and error signals. The obvious form; outside the delta contract. For
// each step, in this order:
//
//   signals.Forward(…);        // z and a of every layer
//   signals.LastSignal(…);     // the error; δ = ∂E/∂z of the last layer
//   signals.Backward(…);       // δ of the others; all scaled to factors u
//   … u(k), seen(k) …          // the step's factors
#ifndef BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_
#define BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/rows.h"
#include "engine/kernels/scratch.h"
#include "engine/training/training.h"

namespace backprop {

// One step's samples, B = batch_size of them.
struct StepSamples {
  std::span<const float> inputs;   // (B, input_size)
  std::span<const float> targets;  // (B, output_size)
  std::span<const float> weights;  // sample weights: (B) or empty
};

// Scratch memory, reused from step to step. One thread at a time. All rows are
// a sample each.
class StepSignals {
 public:
  // Makes room; allocates where a net is larger than all before.
  void Prepare(const Layout& layout);

  // Activations of every layer. step: its number, for dropout. With
  // first_product_made, the first layer's W·x lies in first_product() already.
  void Forward(const Training& training, uint64_t step,
               const StepSamples& samples, std::span<const float> weights,
               bool first_product_made);

  // W·x of the first layer, (outputs), of a step of one sample.
  float* first_product() { return layers_.front().z.data; }

  // The step's error: the mean of its samples' weighted errors. Fills the last
  // layer's δ. After Forward, with the same arguments.
  double LastSignal(const Training& training, const StepSamples& samples);

  // δ of every layer, then times `scale`, small ones flushed: u. After
  // LastSignal.
  void Backward(const Training& training, float scale,
                std::span<const float> weights);

  // Layer k's u: (B, outputs).
  Rows u(size_t k) const { return layers_[k].signal; }

  // What layer k sees: the samples' inputs, or the activations of the layer
  // below after dropout, small ones flushed. (B, inputs).
  Rows seen(size_t k) const;

  // The network's outputs: (B, output_size).
  Rows outputs() const { return layers_.back().a; }

 private:
  struct Layer {
    MutableRows z;
    MutableRows a;        // f(z)
    MutableRows factors;  // of dropout
    MutableRows dropped;  // a · factors
    MutableRows signal;   // δ, then u
    bool drops = false;
  };

  void Multiply(const Training& training, size_t k, bool product_made,
                std::span<const float> weights);
  void Drop(const Training& training, uint64_t step, size_t k);
  void Propagate(const Training& training, size_t k,
                 std::span<const float> weights);

  Rows inputs_ = {};  // of the step at hand
  std::vector<Layer> layers_;
  Scratch memory_;  // of the layers' rows
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_
