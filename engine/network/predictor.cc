// SPDX-License-Identifier: Apache-2.0
#include "engine/network/predictor.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/layer_product.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"

namespace backprop {
namespace {

// Numbers in one panel: large enough for matrix speed, small enough for the
// second-level cache.
constexpr size_t kPanelNumbers = size_t{64} << 10;

size_t Widest(const Layout& layout) {
  size_t widest = layout.input_size();
  for (const LayerLayout& layer : layout.layers()) {
    widest = std::max(widest, layer.outputs);
  }
  return widest;
}

size_t SamplesInPanel(const Layout& layout) {
  return std::max<size_t>(1, kPanelNumbers / Widest(layout));
}

size_t Position(std::span<const float> numbers) {
  return static_cast<size_t>(std::max_element(numbers.begin(), numbers.end()) -
                             numbers.begin());
}

// EvaluateResponse.accuracy's rule.
bool Correct(std::span<const float> outputs, std::span<const float> targets) {
  if (outputs.size() == 1) return (outputs[0] >= 0.5F) == (targets[0] >= 0.5F);
  return Position(outputs) == Position(targets);
}

bool AllFinite(std::span<const float> numbers) {
  return std::all_of(numbers.begin(), numbers.end(),
                     [](float number) { return std::isfinite(number); });
}

// False, and nothing added, if the sample has no finite error.
bool Add(const NetworkSpec& network, const LastLayer& sample,
         Evaluation* evaluation) {
  const bool plain =
      network.label_smoothing == 0 && network.class_weights.empty();
  const double error = Error(network, sample);
  const double plain_error = plain ? error : PlainError(network, sample);
  // An error may be finite where an output isn't: class weights of 0 hide it.
  if (!std::isfinite(error) || !std::isfinite(plain_error) ||
      !AllFinite(sample.outputs)) {
    return false;
  }
  ++evaluation->samples;
  evaluation->error_sum += error;
  evaluation->plain_error_sum += plain_error;
  evaluation->correct += Correct(sample.outputs, sample.targets) ? 1 : 0;
  return true;
}

}  // namespace

Predictor::LastRows Predictor::Forward(const NetworkSpec& network,
                                       const Layout& layout,
                                       std::span<const float> weights,
                                       std::span<const float> inputs) {
  const size_t samples = inputs.size() / layout.input_size();
  const size_t numbers = samples * Widest(layout);
  for (auto* panel : {&z_, &a_[0], &a_[1]}) {
    if (panel->size() < numbers) panel->resize(numbers);
  }
  const float* below = inputs.data();
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    float* a = a_[k % 2].data();
    backprop::Forward(
        {below, layer.inputs}, samples,
        {weights.data() + layer.weights_begin, layer.outputs, layer.inputs},
        weights.data() + layer.bias_begin, {z_.data(), layer.outputs});
    for (size_t s = 0; s < samples; ++s) {
      Activate(network.layers[k],
               {z_.data() + s * layer.outputs, layer.outputs},
               {a + s * layer.outputs, layer.outputs});
    }
    below = a;
  }
  const size_t size = samples * layout.output_size();
  return {{z_.data(), size}, {below, size}};
}

void Predictor::Predict(const NetworkSpec& network, const Layout& layout,
                        std::span<const float> weights,
                        std::span<const float> inputs,
                        std::span<float> outputs) {
  const size_t rows = SamplesInPanel(layout);
  const size_t samples = outputs.size() / layout.output_size();
  for (size_t s = 0; s < samples; s += rows) {
    const size_t n = std::min(rows, samples - s);
    const LastRows last = Forward(
        network, layout, weights,
        inputs.subspan(s * layout.input_size(), n * layout.input_size()));
    std::copy(last.outputs.begin(), last.outputs.end(),
              outputs.begin() + s * layout.output_size());
  }
}

Evaluation Predictor::Evaluate(const NetworkSpec& network, const Layout& layout,
                               std::span<const float> weights,
                               std::span<const float> inputs,
                               std::span<const float> targets) {
  const size_t rows = SamplesInPanel(layout);
  const size_t size = layout.output_size();
  const size_t samples = targets.size() / size;
  Evaluation evaluation;
  for (size_t s = 0; s < samples; s += rows) {
    const size_t n = std::min(rows, samples - s);
    const LastRows last = Forward(
        network, layout, weights,
        inputs.subspan(s * layout.input_size(), n * layout.input_size()));
    for (size_t t = 0; t < n; ++t) {
      const LastLayer sample{last.z.subspan(t * size, size),
                             last.outputs.subspan(t * size, size),
                             targets.subspan((s + t) * size, size)};
      if (!Add(network, sample, &evaluation)) {
        evaluation.non_finite = s + t;
        return evaluation;
      }
    }
  }
  return evaluation;
}

}  // namespace backprop
