// SPDX-License-Identifier: Apache-2.0
//
// Orthonormal vectors from any, the same bits on every machine: modified
// Gram–Schmidt in double, in the order that proto/backprop/v1/network.proto
// (Initialiser, (4)) writes down. Built with -ffp-contract=off.
#ifndef BACKPROP_ENGINE_RANDOM_ORTHOGONAL_H_
#define BACKPROP_ENGINE_RANDOM_ORTHOGONAL_H_

#include <cstddef>
#include <span>

#include "hwy/aligned_allocator.h"

namespace backprop {

// Vectors one after another, padded with zeros for the loops.
class VectorSet {
 public:
  // `count` vectors of `length` numbers, all 0.
  VectorSet(size_t count, size_t length);

  // Vector k: (length).
  std::span<double> at(size_t k) {
    return {numbers_.get() + k * stride_, length_};
  }

  // Makes them orthonormal, from the first to the last; count ≤ length. One
  // that depends on those before it becomes any vector of length 0 or 1. Takes
  // 2·count²·length multiplications and additions.
  void Orthonormalise();

 private:
  size_t count_;
  size_t length_;
  size_t stride_;
  hwy::AlignedFreeUniquePtr<double[]> numbers_;  // (count, stride)
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_RANDOM_ORTHOGONAL_H_
