// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/input.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/contract/delta.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/contract/input.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "hwy/highway.h"

#ifndef BACKPROP_ENGINE_INPUT_BITS_
#define BACKPROP_ENGINE_INPUT_BITS_
namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "rows are read as they come: little-endian float32");

// Bits of magnitudes order as the magnitudes do; NaN's are beyond infinity's.
constexpr int32_t kMagnitude = 0x7FFFFFFF;
constexpr int32_t kInfinity = 0x7F800000;
constexpr auto kSmallest = std::bit_cast<int32_t>(kSmallestFactor);

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_INPUT_BITS_

// Plain loops, which the compiler vectorises for each kind of CPU.
HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

struct Float32 {
  static float At(const char* bytes, size_t i) {
    float element;
    std::memcpy(&element, bytes + i * sizeof(element), sizeof(element));
    return element;
  }
};

struct Uint8 {
  static float At(const char* bytes, size_t i) {
    return static_cast<float>(static_cast<unsigned char>(bytes[i]));
  }
};

struct Scaled {
  float scale;
  float operator()(float element, size_t) const { return scale * element; }
};

struct Standardised {
  float scale;
  const float* mean;
  const float* factor;
  float operator()(float element, size_t j) const {
    return (scale * element - mean[j]) * factor[j];
  }
};

// values_j = x_j, j < n, 0 where it is too small. Returns the bits of the
// largest magnitude.
template <class Element, class Formula>
int32_t Convert(Formula x_of, const char* bytes, size_t n,
                float* __restrict values) {
  int32_t largest = 0;
  for (size_t j = 0; j < n; ++j) {
    const float x = x_of(Element::At(bytes, j), j);
    const int32_t magnitude = std::bit_cast<int32_t>(x) & kMagnitude;
    largest = std::max(largest, magnitude);
    values[j] = magnitude < kSmallest ? 0.0F : x;
  }
  return largest;
}

template <class Element>
bool ConvertRows(const InputFormat& format, const char* bytes, float* values,
                 size_t size) {
  const size_t columns = format.mean.size();
  if (columns == 0) {
    return Convert<Element>(Scaled{format.scale}, bytes, size, values) <
           kInfinity;
  }
  const Standardised formula{format.scale, format.mean.data(),
                             format.factor.data()};
  const size_t row_bytes = columns * ElementSize(format.element_type);
  int32_t largest = 0;
  for (size_t i = 0; i + columns <= size; i += columns) {
    largest = std::max(largest,
                       Convert<Element>(formula, bytes, columns, values + i));
    bytes += row_bytes;
  }
  return largest < kInfinity;
}

bool ConvertAll(const InputFormat& format, const char* bytes, float* values,
                size_t size) {
  switch (format.element_type) {
    case ElementType::kFloat32:
      return ConvertRows<Float32>(format, bytes, values, size);
    case ElementType::kUint8:
      return ConvertRows<Uint8>(format, bytes, values, size);
  }
  return false;
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(ConvertAll);

bool ConvertInputs(const InputFormat& format, std::string_view bytes,
                   std::span<float> values) {
  return HWY_DYNAMIC_DISPATCH(ConvertAll)(format, bytes.data(), values.data(),
                                          values.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
