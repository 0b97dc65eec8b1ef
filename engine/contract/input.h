// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of input rows to the numbers that the network sees
// (InputFormat in proto/backprop/v1/network.proto). Part of the delta
// contract: a replica forms the first layer's delta from these numbers.
#ifndef BACKPROP_ENGINE_CONTRACT_INPUT_H_
#define BACKPROP_ENGINE_CONTRACT_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace backprop {

enum class ElementType : uint8_t { kFloat32, kUint8 };

struct InputFormat {
  ElementType element_type = ElementType::kFloat32;
  float scale = 1.0F;
  // Standardisation, one number a column: both empty (none) or both full.
  std::vector<float> mean;
  std::vector<float> factor;
};

// Bytes of one element.
constexpr size_t ElementSize(ElementType type) {
  return type == ElementType::kUint8 ? 1 : 4;
}

// x = fl(scale · element), then, with standardisation,
// fl(fl(x − mean) · factor); 0 where |x| < 2^-60; for every element.
// values: whole rows where there is standardisation. bytes: ElementSize ·
// values.size() bytes, little-endian, any alignment. Returns false if any x is
// not finite; values are then unspecified.
bool ConvertInputs(const InputFormat& format, std::string_view bytes,
                   std::span<float> values);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_INPUT_H_
