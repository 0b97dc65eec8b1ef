// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/factors.h"

namespace backprop {
namespace {

constexpr float kOne = 1;

}  // namespace

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

Factors AsFactors(const float* g) { return {&kOne, 0, g, 0, 1}; }

Factors BiasFactors(const Factors& factors) {
  return {&kOne, 0, factors.u, factors.u_stride, factors.samples};
}

}  // namespace backprop
