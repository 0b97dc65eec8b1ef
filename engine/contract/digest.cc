// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/digest.h"

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// Makes XXH3_64bits take the widest vectors that the CPU has: the same hash.
#include <xxh_x86dispatch.h>
#endif

#include <bit>

namespace backprop {

static_assert(std::endian::native == std::endian::little,
              "the digest is of little-endian float32");

uint64_t Digest(std::span<const float> weights) {
  return XXH3_64bits(weights.data(), weights.size_bytes());
}

uint64_t DigestOfBytes(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace backprop
