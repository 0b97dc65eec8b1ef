// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_signals.h"

#include "engine/contract/delta.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/layer_product.h"
#include "engine/kernels/magnitude.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"
#include "engine/random/dropout.h"

namespace backprop {
namespace {

// Layer k's weights.
Matrix WeightsOf(const LayerLayout& at, std::span<const float> weights) {
  return {weights.data() + at.weights_begin, at.outputs, at.inputs};
}

}  // namespace

void StepSignals::Prepare(const Layout& layout) {
  constexpr size_t kPanels = 5;
  const size_t batch = layout.batch_size();
  size_t size = 0;
  for (const LayerLayout& at : layout.layers()) {
    size += kPanels * batch * Padded(at.outputs);
  }
  float* next = memory_.Get(size);
  layers_.clear();
  for (const LayerLayout& at : layout.layers()) {
    const auto rows = [&] { return TakeRows(batch, at.outputs, &next); };
    layers_.push_back({rows(), rows(), rows(), rows(), rows()});
  }
}

Rows StepSignals::seen(size_t k) const {
  if (k == 0) return inputs_;
  const Layer& below = layers_[k - 1];
  return below.drops ? below.dropped : below.a;
}

// z ← a·Wᵀ + b; a ← f(z)
void StepSignals::Forward(const Training& training, uint64_t step,
                          const StepSamples& samples,
                          std::span<const float> weights,
                          bool first_product_made) {
  inputs_ = {samples.inputs.data(), training.layout->input_size()};
  for (size_t k = 0; k < layers_.size(); ++k) {
    const Layer& layer = layers_[k];
    Multiply(training, k, k == 0 && first_product_made, weights);
    for (size_t s = 0; s < training.layout->batch_size(); ++s) {
      ActivateAndFlush(training.network->layers[k], layer.z[s], layer.a[s],
                       training.layout->layers()[k].outputs);
    }
    Drop(training, step, k);
  }
}

// z ← a·Wᵀ + b. The first layer's product, where it was not made beforehand, is
// made as it would have been, so that its bits don't depend on which steps one
// run holds.
void StepSignals::Multiply(const Training& training, size_t k,
                           bool product_made, std::span<const float> weights) {
  const size_t batch = training.layout->batch_size();
  const LayerLayout& at = training.layout->layers()[k];
  const Matrix w = WeightsOf(at, weights);
  const float* bias = weights.data() + at.bias_begin;
  const MutableRows z = layers_[k].z;
  if (batch > 1 || k > 0) {
    backprop::Forward(seen(k), batch, w, bias, z);
    return;
  }
  if (!product_made) {
    RunProduct(w.data, w.rows, w.cols, {inputs_.data, z.data});
  }
  for (size_t i = 0; i < at.outputs; ++i) z.data[i] += bias[i];
}

void StepSignals::Drop(const Training& training, uint64_t step, size_t k) {
  Layer& layer = layers_[k];
  const float rate = training.network->layers[k].dropout;
  layer.drops = rate > 0;
  if (!layer.drops) return;
  const size_t size = training.layout->layers()[k].outputs;
  for (size_t s = 0; s < training.layout->batch_size(); ++s) {
    DropoutFactors(
        {training.dropout_seed, step, static_cast<uint32_t>(k + 1), s}, rate,
        {layer.factors[s], size});
    for (size_t i = 0; i < size; ++i) {
      layer.dropped[s][i] = layer.a[s][i] * layer.factors[s][i];
    }
    FlushSmall({layer.dropped[s], size});  // also makes +0 of −0
  }
}

double StepSignals::LastSignal(const Training& training,
                               const StepSamples& samples) {
  const size_t batch = training.layout->batch_size();
  const size_t size = training.layout->output_size();
  const Layer& last = layers_.back();
  double error = 0;
  for (size_t s = 0; s < batch; ++s) {
    error += ErrorAndSignal(*training.network,
                            {{last.z[s], size},
                             {last.a[s], size},
                             samples.targets.subspan(s * size, size)},
                            {last.signal[s], size},
                            samples.weights.empty() ? 1 : samples.weights[s]);
  }
  return error / static_cast<double>(batch);
}

void StepSignals::Backward(const Training& training, float scale,
                           std::span<const float> weights) {
  for (size_t k = layers_.size(); k-- > 0;) {
    if (k > 0) Propagate(training, k, weights);
    const MutableRows signal = layers_[k].signal;
    for (size_t s = 0; s < training.layout->batch_size(); ++s) {
      ScaleAndFlush(scale, signal[s], signal[s],
                    training.layout->layers()[k].outputs);
    }
  }
}

// δ of layer k − 1 is (δ·W) ∘ f′, W being layer k's, and dropout between them.
void StepSignals::Propagate(const Training& training, size_t k,
                            std::span<const float> weights) {
  const LayerLayout& at = training.layout->layers()[k];
  const size_t batch = training.layout->batch_size();
  const Layer& below = layers_[k - 1];
  backprop::Backward(layers_[k].signal, batch, WeightsOf(at, weights),
                     below.signal);
  for (size_t s = 0; s < batch; ++s) {
    float* const signal = below.signal[s];
    if (below.drops) {
      for (size_t i = 0; i < at.inputs; ++i) signal[i] *= below.factors[s][i];
    }
    MultiplyByDerivative(training.network->layers[k - 1],
                         {below.z[s], at.inputs}, {below.a[s], at.inputs},
                         {signal, at.inputs});
  }
}

}  // namespace backprop
