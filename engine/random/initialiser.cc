// SPDX-License-Identifier: Apache-2.0
#include "engine/random/initialiser.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/random/normal_quantile.h"
#include "engine/random/orthogonal.h"
#include "engine/random/philox.h"

namespace backprop {
namespace {

// Calls use(i, n) for weight numbers i = begin … end − 1, n being the upper 24
// bits of the weight's word.
template <class Use>
void ForEachWord(uint64_t seed, size_t begin, size_t end, Use use) {
  constexpr size_t kPart = 1024;
  std::array<uint32_t, kPart> words;
  while (begin < end) {
    const size_t n = std::min(kPart, end - begin);
    PhiloxWords({}, PhiloxKeyOf(seed), begin, {words.data(), n});
    for (size_t i = 0; i < n; ++i) use(begin + i, words[i] >> 8);
    begin += n;
  }
}

// fl(limit · fl(2r − 1)), r = n·2^-24
void Uniform(uint64_t seed, double limit, size_t begin, size_t end,
             std::span<float> weights) {
  const auto rounded = static_cast<float>(limit);
  ForEachWord(seed, begin, end, [=](size_t i, uint32_t n) {
    const float r = static_cast<float>(static_cast<int32_t>(n)) * 0x1p-24F;
    weights[i] = rounded * (2 * r - 1);
  });
}

void Normal(uint64_t seed, double deviation, const LayerLayout& layer,
            std::span<float> weights) {
  ForEachWord(seed, layer.weights_begin, layer.bias_begin,
              [=](size_t i, uint32_t n) {
                weights[i] = static_cast<float>(deviation * NormalQuantile(n));
              });
}

// The rows are made orthonormal, or the columns if they are fewer.
void Orthogonal(uint64_t seed, double gain, const LayerLayout& layer,
                std::span<float> weights) {
  const bool rows = layer.outputs <= layer.inputs;
  VectorSet vectors(std::min(layer.outputs, layer.inputs),
                    std::max(layer.outputs, layer.inputs));
  const auto number = [&](size_t i) -> double& {
    const size_t row = (i - layer.weights_begin) / layer.inputs;
    const size_t column = (i - layer.weights_begin) % layer.inputs;
    return rows ? vectors.at(row)[column] : vectors.at(column)[row];
  };
  ForEachWord(seed, layer.weights_begin, layer.bias_begin,
              [&](size_t i, uint32_t n) { number(i) = NormalQuantile(n); });
  vectors.Orthonormalise();
  for (size_t i = layer.weights_begin; i < layer.bias_begin; ++i) {
    weights[i] = static_cast<float>(gain * number(i));
  }
}

void InitialiseLayer(const Initialiser& initialiser, const LayerLayout& layer,
                     std::span<float> weights) {
  const auto in = static_cast<double>(layer.inputs);
  const auto out = static_cast<double>(layer.outputs);
  const uint64_t seed = initialiser.seed;
  const auto value = double{initialiser.value};
  const auto uniform = [&](double limit) {
    Uniform(seed, limit, layer.weights_begin, layer.bias_begin, weights);
  };
  const auto normal = [&](double deviation) {
    Normal(seed, deviation, layer, weights);
  };
  switch (initialiser.kind) {
    case InitialiserKind::kZeros:
      return;
    case InitialiserKind::kGlorotUniform:
      return uniform(std::sqrt(6 / (in + out)));
    case InitialiserKind::kHeUniform:
      return uniform(std::sqrt(6 / in));
    case InitialiserKind::kConstant:
      return std::fill(weights.begin() + layer.weights_begin,
                       weights.begin() + layer.bias_begin, initialiser.value);
    case InitialiserKind::kUniform:
      return uniform(value);
    case InitialiserKind::kNormal:
      return normal(value);
    case InitialiserKind::kGlorotNormal:
      return normal(std::sqrt(2 / (in + out)));
    case InitialiserKind::kHeNormal:
      return normal(std::sqrt(2 / in));
    case InitialiserKind::kLecunUniform:
      return uniform(std::sqrt(3 / in));
    case InitialiserKind::kLecunNormal:
      return normal(std::sqrt(1 / in));
    case InitialiserKind::kTorchLinear:
      return Uniform(seed, 1 / std::sqrt(in), layer.weights_begin,
                     layer.bias_begin + layer.outputs, weights);
    case InitialiserKind::kOrthogonal:
      return Orthogonal(seed, value, layer, weights);
  }
}

}  // namespace

void Initialise(const Initialiser& initialiser, const Layout& layout,
                std::span<float> weights) {
  std::fill(weights.begin(), weights.end(), 0.0F);
  for (const LayerLayout& layer : layout.layers()) {
    InitialiseLayer(initialiser, layer, weights);
  }
}

}  // namespace backprop
