// SPDX-License-Identifier: Apache-2.0
//
// Initial weights from a seed: the same on every machine (Initialiser in
// proto/backprop/v1/network.proto gives the formula).
#ifndef BACKPROP_ENGINE_INITIALISER_H_
#define BACKPROP_ENGINE_INITIALISER_H_

#include <array>
#include <cstdint>
#include <span>

#include "engine/layout.h"

namespace backprop {

enum class InitialiserKind : uint8_t {
  kZeros,
  kGlorotUniform,
  kHeUniform,
  kConstant,
  kUniform,
  kNormal,
  kGlorotNormal,
  kHeNormal,
  kLecunUniform,
  kLecunNormal,
  kTorchLinear,
  kOrthogonal,
};

struct Initialiser {
  InitialiserKind kind = InitialiserKind::kGlorotUniform;
  uint64_t seed = 0;
  float value = 0;  // of kConstant, kUniform, kNormal, kOrthogonal (its gain)
};

// One block of Philox4x32-10 (Salmon et al., SC 2011, "Parallel random
// numbers: as easy as 1, 2, 3").
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter,
                                   std::array<uint32_t, 2> key);

// weights: (layout.weight_count()). Biases become 0.
void Initialise(const Initialiser& initialiser, const Layout& layout,
                std::span<float> weights);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INITIALISER_H_
