// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_CONTRACT_DIGEST_H_
#define BACKPROP_ENGINE_CONTRACT_DIGEST_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace backprop {

// XXH3-64 (seed 0) of the weights' bytes, little-endian float32 in layout
// order.
uint64_t Digest(std::span<const float> weights);
// The same of weights as they travel; bytes need not be aligned.
uint64_t DigestOfBytes(std::string_view bytes);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_DIGEST_H_
