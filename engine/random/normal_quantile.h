// SPDX-License-Identifier: Apache-2.0
//
// The normal distribution's quantile, the same bits on every machine:
// additions, multiplications, divisions and square roots in double, in the
// order that proto/backprop/v1/network.proto (Initialiser, (3)) writes down.
// Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_RANDOM_NORMAL_QUANTILE_H_
#define BACKPROP_ENGINE_RANDOM_NORMAL_QUANTILE_H_

#include <cstdint>

namespace backprop {

// Φ⁻¹((n + ½)·2^-24), n < 2^24. Within 2^-49 of its value, relatively.
double NormalQuantile(uint32_t n);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_RANDOM_NORMAL_QUANTILE_H_
