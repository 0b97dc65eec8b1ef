// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_KERNELS_ROWS_H_
#define BACKPROP_ENGINE_KERNELS_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

namespace backprop {

// Numbers that lie one row a sample, `stride` numbers from row to row.
struct Rows {
  const float* data;
  size_t stride;

  const float* operator[](size_t row) const { return data + row * stride; }
};

// The same, to be written.
struct MutableRows {
  float* data;
  size_t stride;

  float* operator[](size_t row) const { return data + row * stride; }
  operator Rows() const { return {data, stride}; }  // NOLINT: it is a view too
};

// Numbers of a cache line. A vector that straddles two lines takes twice the
// time to load, so panels begin at one and their strides are multiples of it.
inline constexpr size_t kLine = 16;

constexpr size_t RoundedUp(size_t size, size_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// Memory that begins at a cache line; grows and is reused, so that steps
// allocate nothing.
class Panel {
 public:
  // The first `size` numbers; what they hold is lost when it grows.
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

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_ROWS_H_
