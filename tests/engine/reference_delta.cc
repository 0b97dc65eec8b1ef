// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/reference_delta.h"

namespace backprop::testing {
namespace {

// Rounds to float32 whatever the compiler would like to keep or fuse.
float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

// The factors of sample s in one FACTORED layer.
struct SampleFactors {
  const float* u;
  const float* a;
};

SampleFactors FactorsOf(const Layout& layout, size_t k, size_t s,
                        std::span<const float> row,
                        std::span<const float> inputs) {
  const LayerLayout& layer = layout.layers()[k];
  const float* part = &row[layer.delta_begin];
  if (k == 0) {
    return {part + s * layer.outputs, &inputs[s * layer.inputs]};
  }
  const float* u = part + s * (layer.outputs + layer.inputs);
  return {u, u + layer.outputs};
}

void ExpandFactored(const Layout& layout, size_t k, std::span<const float> row,
                    std::span<const float> inputs, std::span<float> delta) {
  const LayerLayout& layer = layout.layers()[k];
  for (size_t s = 0; s < layout.batch_size(); ++s) {
    const auto [u, a] = FactorsOf(layout, k, s, row, inputs);
    for (size_t i = 0; i < layer.outputs; ++i) {
      for (size_t j = 0; j < layer.inputs; ++j) {
        float& g = delta[layer.weights_begin + i * layer.inputs + j];
        g = s == 0 ? Fl(u[i] * a[j]) : Fl(g + Fl(u[i] * a[j]));
      }
      float& g = delta[layer.bias_begin + i];
      g = s == 0 ? u[i] : Fl(g + u[i]);
    }
  }
}

}  // namespace

std::vector<float> ReferenceDelta(const Layout& layout,
                                  std::span<const float> row,
                                  std::span<const float> inputs) {
  std::vector<float> delta(layout.weight_count());
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kFactored) {
      ExpandFactored(layout, k, row, inputs, delta);
      continue;
    }
    for (size_t i = 0; i < layer.outputs * layer.inputs; ++i) {
      delta[layer.weights_begin + i] = row[layer.delta_begin + i];
    }
    for (size_t i = 0; i < layer.outputs; ++i) {
      delta[layer.bias_begin + i] =
          row[layer.delta_begin + layer.outputs * layer.inputs + i];
    }
  }
  return delta;
}

void ApplyReferenceDeltas(const Layout& layout, std::span<const float> rows,
                          std::span<const float> inputs,
                          std::span<float> weights) {
  const size_t row_length = layout.delta_row_length();
  const size_t step_inputs = layout.batch_size() * layout.input_size();
  for (size_t t = 0; t < rows.size() / row_length; ++t) {
    const std::vector<float> delta =
        ReferenceDelta(layout, rows.subspan(t * row_length, row_length),
                       inputs.subspan(t * step_inputs, step_inputs));
    for (size_t i = 0; i < weights.size(); ++i) {
      weights[i] = Fl(weights[i] + delta[i]);
    }
  }
}

}  // namespace backprop::testing
