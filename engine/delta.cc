// SPDX-License-Identifier: Apache-2.0
#include "engine/delta.h"

#include <algorithm>
#include <cmath>

namespace backprop {
namespace {

// The factors of one FACTORED layer's step: sample s has u at
// u + s·u_stride and a at a + s·a_stride.
struct Factors {
  const float* u;
  size_t u_stride;
  const float* a;
  size_t a_stride;
  size_t samples;
};

Factors FactorsOf(const Layout& layout, size_t k, std::span<const float> row,
                  std::span<const float> inputs) {
  const LayerLayout& layer = layout.layers()[k];
  const float* part = row.data() + layer.delta_begin;
  if (k == 0) {
    return {part, layer.outputs, inputs.data(), layer.inputs,
            layout.batch_size()};
  }
  const size_t stride = layer.outputs + layer.inputs;
  return {part, stride, part + layer.outputs, stride, layout.batch_size()};
}

// Row i of g, the layer's delta: g_j for every input j, in sample order.
void ExpandRow(const Factors& factors, size_t i, std::span<float> g) {
  const float u = factors.u[i];
  for (size_t j = 0; j < g.size(); ++j) g[j] = u * factors.a[j];
  for (size_t s = 1; s < factors.samples; ++s) {
    const float u_s = factors.u[s * factors.u_stride + i];
    const float* a_s = factors.a + s * factors.a_stride;
    for (size_t j = 0; j < g.size(); ++j) g[j] += u_s * a_s[j];
  }
}

float ExpandBias(const Factors& factors, size_t i) {
  float g = factors.u[i];
  for (size_t s = 1; s < factors.samples; ++s) {
    g += factors.u[s * factors.u_stride + i];
  }
  return g;
}

// w ← fl(w + g) for row i, without storing g where there is one sample.
void ApplyRow(const Factors& factors, size_t i, std::span<float> w) {
  constexpr size_t kTile = 256;  // g stays in the first-level cache
  float g[kTile];
  const float u = factors.u[i];
  if (factors.samples == 1) {
    for (size_t j = 0; j < w.size(); ++j) w[j] += u * factors.a[j];
    return;
  }
  for (size_t begin = 0; begin < w.size(); begin += kTile) {
    const size_t n = std::min(kTile, w.size() - begin);
    Factors tile = factors;
    tile.a += begin;
    ExpandRow(tile, i, {g, n});
    for (size_t j = 0; j < n; ++j) w[begin + j] += g[j];
  }
}

}  // namespace

void FlushSmall(std::span<float> factors) {
  for (float& factor : factors) {
    if (std::fabs(factor) < kSmallestFactor) factor = 0.0F;
  }
}

void ApplyDelta(const Layout& layout, std::span<const float> row,
                std::span<const float> inputs, std::span<float> weights) {
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kDense) {
      const float* d = row.data() + layer.delta_begin;
      float* w = weights.data() + layer.weights_begin;  // the bias follows W
      for (size_t i = 0; i < layer.delta_length; ++i) w[i] += d[i];
      continue;
    }
    const Factors factors = FactorsOf(layout, k, row, inputs);
    float* bias = weights.data() + layer.bias_begin;
    for (size_t i = 0; i < layer.outputs; ++i) {
      ApplyRow(factors, i,
               weights.subspan(layer.weights_begin + i * layer.inputs,
                               layer.inputs));
      bias[i] += ExpandBias(factors, i);
    }
  }
}

void ExpandDelta(const Layout& layout, std::span<const float> row,
                 std::span<const float> inputs, std::span<float> delta) {
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kDense) {
      const auto part = row.subspan(layer.delta_begin, layer.delta_length);
      std::copy(part.begin(), part.end(), delta.begin() + layer.weights_begin);
      continue;
    }
    const Factors factors = FactorsOf(layout, k, row, inputs);
    for (size_t i = 0; i < layer.outputs; ++i) {
      ExpandRow(
          factors, i,
          delta.subspan(layer.weights_begin + i * layer.inputs, layer.inputs));
      delta[layer.bias_begin + i] = ExpandBias(factors, i);
    }
  }
}

}  // namespace backprop
