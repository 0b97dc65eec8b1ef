// SPDX-License-Identifier: Apache-2.0
//
// Inverted dropout whose mask is a function of seed, step, layer and position
// (SessionSpec.dropout_seed in proto/backprop/v1/network.proto).
#ifndef BACKPROP_ENGINE_RANDOM_DROPOUT_H_
#define BACKPROP_ENGINE_RANDOM_DROPOUT_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace backprop {

struct DropoutSite {
  uint64_t seed = 0;
  uint64_t step = 0;   // the step's number, from 1
  uint32_t layer = 0;  // from 1
  size_t sample = 0;   // within the step, from 0
};

// Fills factors (the layer's outputs) with 0 where an output is dropped and
// fl(1/(1 − rate)) where it is kept. 0 < rate < 1.
void DropoutFactors(const DropoutSite& site, float rate,
                    std::span<float> factors);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_RANDOM_DROPOUT_H_
