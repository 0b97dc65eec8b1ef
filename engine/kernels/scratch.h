// SPDX-License-Identifier: Apache-2.0
//
// Memory that a thread works in: it grows to the largest net that the thread
// has seen and is used again, so that steps allocate nothing. Several pieces
// are cut from one Scratch after their sum is known:
//
//   float* next = scratch.Get(2 * rows * Padded(size));
//   const MutableRows z = TakeRows(rows, size, &next);
//   const MutableRows a = TakeRows(rows, size, &next);
#ifndef BACKPROP_ENGINE_KERNELS_SCRATCH_H_
#define BACKPROP_ENGINE_KERNELS_SCRATCH_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/kernels/rows.h"

namespace backprop {

// Floats of a cache line. A vector that straddles two lines takes twice the
// time to load, so rows begin at one and their strides are multiples of it.
inline constexpr size_t kLine = 16;

constexpr size_t RoundedUp(size_t size, size_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// `size` floats rounded up to whole cache lines.
constexpr size_t Padded(size_t size) { return RoundedUp(size, kLine); }

// One thread at a time.
class Scratch {
 public:
  // Room for `size` floats, from the begin of a cache line on. What they hold
  // is unspecified; what an earlier call returned is invalid.
  float* Get(size_t size) {
    if (numbers_.size() < size + kLine) numbers_.resize(size + kLine);
    void* begin = numbers_.data();
    size_t space = numbers_.size() * sizeof(float);
    return static_cast<float*>(
        std::align(kLine * sizeof(float), size * sizeof(float), begin, space));
  }

 private:
  std::vector<float> numbers_;
};

// The `size` floats from *next on, which moves behind them.
inline float* Take(size_t size, float** next) {
  float* const begin = *next;
  *next += size;
  return begin;
}

// `rows` rows of Padded(size) floats each, likewise.
inline MutableRows TakeRows(size_t rows, size_t size, float** next) {
  return {Take(rows * Padded(size), next), Padded(size)};
}

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_SCRATCH_H_
