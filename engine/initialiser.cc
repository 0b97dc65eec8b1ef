// SPDX-License-Identifier: Apache-2.0
#include "engine/initialiser.h"

#include <algorithm>
#include <cmath>

namespace backprop {
namespace {

// The paper's constants.
constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

uint32_t Low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t High(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

float Limit(InitialiserKind kind, const LayerLayout& layer) {
  const auto in = static_cast<double>(layer.inputs);
  const auto out = static_cast<double>(layer.outputs);
  switch (kind) {
    case InitialiserKind::kZeros:
      return 0;
    case InitialiserKind::kGlorotUniform:
      return static_cast<float>(std::sqrt(6 / (in + out)));
    case InitialiserKind::kHeUniform:
      return static_cast<float>(std::sqrt(6 / in));
  }
  return 0;
}

// fl(2r − 1) for weight number i.
float Uniform(uint64_t seed, uint64_t i) {
  const uint64_t block = i / 4;
  const auto words =
      Philox4x32({Low(block), High(block), 0, 0}, {Low(seed), High(seed)});
  const uint32_t n = words[i % 4] >> 8;
  const float r = static_cast<float>(n) * 0x1p-24F;  // exact
  return 2 * r - 1;
}

}  // namespace

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter,
                                   std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {High(product1) ^ counter[1] ^ key[0], Low(product1),
               High(product0) ^ counter[3] ^ key[1], Low(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

void Initialise(const Initialiser& initialiser, const Layout& layout,
                std::span<float> weights) {
  std::fill(weights.begin(), weights.end(), 0.0F);
  for (const LayerLayout& layer : layout.layers()) {
    const float limit = Limit(initialiser.kind, layer);
    if (limit == 0) continue;
    for (size_t i = layer.weights_begin; i < layer.bias_begin; ++i) {
      weights[i] = limit * Uniform(initialiser.seed, i);
    }
  }
}

}  // namespace backprop
