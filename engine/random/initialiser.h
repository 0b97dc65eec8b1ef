// SPDX-License-Identifier: Apache-2.0
//
// Initial weights from a seed: the same on every machine (Initialiser in
// proto/backprop/v1/network.proto gives the formulas). Built with
// -ffp-contract=off.
#ifndef BACKPROP_ENGINE_RANDOM_INITIALISER_H_
#define BACKPROP_ENGINE_RANDOM_INITIALISER_H_

#include <cstdint>
#include <span>

#include "engine/contract/layout.h"

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

// weights: (layout.weight_count()). Biases become 0, but uniform with
// kTorchLinear. kOrthogonal takes 8 bytes a weight of its largest layer beside,
// and for n × n weights 2·n³ multiplications and additions; all others take
// nanoseconds a weight.
void Initialise(const Initialiser& initialiser, const Layout& layout,
                std::span<float> weights);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_RANDOM_INITIALISER_H_
