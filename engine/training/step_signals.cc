// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_signals.h"

#include <algorithm>

#include "engine/contract/delta.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/layer_product.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"
#include "engine/random/dropout.h"

namespace backprop {

void StepSignals::Prepare(const Layout& layout) {
  constexpr size_t kPanels = 5;
  size_t size = 0;
  for (const LayerLayout& layer : layout.layers()) {
    size += kPanels * layout.batch_size() * layer.outputs;
  }
  if (memory_.size() < size) memory_.resize(size);
  layers_.resize(layout.layers().size());
  float* next = memory_.data();
  for (size_t k = 0; k < layers_.size(); ++k) {
    const size_t numbers = layout.batch_size() * layout.layers()[k].outputs;
    const auto take = [&next, numbers] {
      next += numbers;
      return std::span<float>(next - numbers, numbers);
    };
    layers_[k] = {take(), take(), take(), take(), take()};
  }
}

// z ← a·Wᵀ + b; a ← f(z)
void StepSignals::Forward(const Training& training, uint64_t step,
                          const StepSamples& samples,
                          std::span<const float> weights,
                          bool first_product_made) {
  for (size_t k = 0; k < layers_.size(); ++k) {
    const LayerLayout& at = training.layout->layers()[k];
    const Panels& panels = layers_[k];
    const float* below = samples.inputs.data();
    if (k > 0) below = seen(k - 1).data();
    Multiply(training, k, k == 0 && first_product_made ? nullptr : below,
             weights);
    for (size_t s = 0; s < training.layout->batch_size(); ++s) {
      Activate(training.network->layers[k],
               panels.z.subspan(s * at.outputs, at.outputs),
               panels.a.subspan(s * at.outputs, at.outputs));
    }
    FlushSmall(panels.a);
    Drop(training, step, k);
  }
}

// z ← a·Wᵀ + b. below: a, (B, inputs). The first layer's product, where it was
// not made beforehand, is made as it would have been, so that its bits don't
// depend on which steps one run holds.
void StepSignals::Multiply(const Training& training, size_t k,
                           const float* below, std::span<const float> weights) {
  const size_t batch = training.layout->batch_size();
  const LayerLayout& at = training.layout->layers()[k];
  const float* w = weights.data() + at.weights_begin;
  const float* bias = weights.data() + at.bias_begin;
  float* z = layers_[k].z.data();
  if (batch > 1 || k > 0) {
    backprop::Forward({below, at.inputs}, batch, {w, at.outputs, at.inputs},
                      bias, {z, at.outputs});
    return;
  }
  if (below != nullptr) RunProduct(w, at.outputs, at.inputs, {below, z});
  for (size_t i = 0; i < at.outputs; ++i) z[i] += bias[i];
}

void StepSignals::Drop(const Training& training, uint64_t step, size_t k) {
  Panels& panels = layers_[k];
  const float rate = training.network->layers[k].dropout;
  panels.drops = rate > 0;
  if (!panels.drops) return;
  const size_t size = training.layout->layers()[k].outputs;
  for (size_t s = 0; s < training.layout->batch_size(); ++s) {
    DropoutFactors(
        {training.dropout_seed, step, static_cast<uint32_t>(k + 1), s}, rate,
        panels.factors.subspan(s * size, size));
  }
  for (size_t i = 0; i < panels.a.size(); ++i) {
    panels.dropped[i] = panels.a[i] * panels.factors[i];
  }
  FlushSmall(panels.dropped);  // also makes +0 of −0
}

double StepSignals::LastSignal(const Training& training,
                               const StepSamples& samples) {
  const size_t batch = training.layout->batch_size();
  const size_t size = training.layout->output_size();
  const Panels& last = layers_.back();
  double error = 0;
  for (size_t s = 0; s < batch; ++s) {
    const auto part = [&](std::span<const float> panel) {
      return panel.subspan(s * size, size);
    };
    const auto signal = last.signal.subspan(s * size, size);
    error += ErrorAndSignal(
        *training.network, {part(last.z), part(last.a), part(samples.targets)},
        signal, samples.weights.empty() ? 1 : samples.weights[s]);
  }
  return error / static_cast<double>(batch);
}

void StepSignals::Backward(const Training& training, float scale,
                           std::span<const float> weights) {
  for (size_t k = layers_.size(); k-- > 0;) {
    if (k > 0) Propagate(training, k, weights);
    for (float& value : layers_[k].signal) value *= scale;
    FlushSmall(layers_[k].signal);
  }
}

// δ of layer k − 1 is (δ·W) ∘ f′, W being layer k's, and dropout between them.
void StepSignals::Propagate(const Training& training, size_t k,
                            std::span<const float> weights) {
  const LayerLayout& at = training.layout->layers()[k];
  const size_t batch = training.layout->batch_size();
  const Panels& below = layers_[k - 1];
  backprop::Backward({layers_[k].signal.data(), at.outputs}, batch,
                     {weights.data() + at.weights_begin, at.outputs, at.inputs},
                     {below.signal.data(), at.inputs});
  if (below.drops) {
    for (size_t i = 0; i < below.signal.size(); ++i) {
      below.signal[i] *= below.factors[i];
    }
  }
  MultiplyByDerivative(training.network->layers[k - 1], below.z, below.a,
                       below.signal);
}

}  // namespace backprop
