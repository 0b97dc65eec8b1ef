// SPDX-License-Identifier: Apache-2.0
//
// The exponentials of a whole layer, without overflow. Vectorised, for the CPU
// that they run on. If one z is NaN, so is every result.
#ifndef BACKPROP_ENGINE_NETWORK_SOFTMAX_H_
#define BACKPROP_ENGINE_NETWORK_SOFTMAX_H_

#include <span>

namespace backprop {

// a_i = e^z_i / Σ_j e^z_j, relatively within (8 + outputs/4 + r)·2^-24 of the
// exact value, r being the distance of z_i and the largest z, and within
// 2^-149. z, a: (outputs), at least 1; may be the same memory.
void Softmax(std::span<const float> z, std::span<float> a);

// ln Σ e^z = largest + excess.
struct LogSum {
  float largest = 0;  // of z
  // ln Σ e^(z − largest) ≥ 0. Has Softmax's relative accuracy, also when it is
  // tiny: an error near 0 keeps its digits.
  double excess = 0;
};

// z: (outputs), at least 1.
LogSum LogSumExp(std::span<const float> z);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_SOFTMAX_H_
