// SPDX-License-Identifier: Apache-2.0
//
// The forward and backward passes of one step, layer by layer: activations,
// error and error signals. The obvious form; outside the delta contract.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_
#define BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/training/training.h"

namespace backprop {

// One step's samples, B = batch_size of them.
struct StepSamples {
  std::span<const float> inputs;   // (B, input_size)
  std::span<const float> targets;  // (B, output_size)
  std::span<const float> weights;  // sample weights: (B) or empty
};

// Scratch memory, reused from step to step. Not thread-safe.
class StepSignals {
 public:
  // Makes room; allocates where a net is larger than all before.
  void Prepare(const Layout& layout);

  // Activations of every layer. step: its number, for dropout. With
  // first_product_made, the first layer's W·x lies in first_product() already.
  void Forward(const Training& training, uint64_t step,
               const StepSamples& samples, std::span<const float> weights,
               bool first_product_made);

  // (B, outputs of the first layer)
  std::span<float> first_product() { return layers_.front().z; }

  // The step's error: the mean of its samples' weighted errors. Fills the last
  // layer's δ. After Forward, with the same arguments.
  double LastSignal(const Training& training, const StepSamples& samples);

  // δ of every layer, then times `scale`, small ones flushed: u. After
  // LastSignal.
  void Backward(const Training& training, float scale,
                std::span<const float> weights);

  // Layer k's u, a row a sample: (B, outputs).
  std::span<const float> u(size_t k) const { return layers_[k].signal; }

  // The network's: (B, output_size).
  std::span<const float> outputs() const { return layers_.back().a; }

  // What layer k + 1 sees of layer k's activations: after dropout, small ones
  // flushed. (B, outputs).
  std::span<const float> seen(size_t k) const {
    return layers_[k].drops ? layers_[k].dropped : layers_[k].a;
  }

 private:
  struct Panels {
    std::span<float> z;
    std::span<float> a;        // f(z)
    std::span<float> factors;  // of dropout
    std::span<float> dropped;  // a · factors
    std::span<float> signal;   // δ, then u
    bool drops = false;
  };

  // below: null where the product lies in z already.
  void Multiply(const Training& training, size_t k, const float* below,
                std::span<const float> weights);
  void Drop(const Training& training, uint64_t step, size_t k);
  void Propagate(const Training& training, size_t k,
                 std::span<const float> weights);

  std::vector<float> memory_;
  std::vector<Panels> layers_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_SIGNALS_H_
