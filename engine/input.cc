// SPDX-License-Identifier: Apache-2.0
#include "engine/input.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/delta.h"

namespace backprop {
namespace {

static_assert(std::endian::native == std::endian::little,
              "rows are read as they come: little-endian float32");

// Scales in place. The sum of x − x is 0 for finite x and NaN for others, so
// that one test at the end is enough.
bool Scale(float scale, std::span<float> values) {
  float sum = 0;
  for (float& value : values) {
    const float x = scale * value;
    value = std::fabs(x) < kSmallestFactor ? 0.0F : x;
    sum += x - x;
  }
  return sum == 0;
}

}  // namespace

bool ConvertInputs(const InputFormat& format, std::string_view bytes,
                   std::span<float> values) {
  switch (format.element_type) {
    case ElementType::kFloat32:
      if (values.empty()) break;  // memcpy takes no null pointer
      std::memcpy(values.data(), bytes.data(), values.size_bytes());
      break;
    case ElementType::kUint8: {
      const auto* elements =
          reinterpret_cast<const unsigned char*>(bytes.data());
      for (size_t i = 0; i < values.size(); ++i) values[i] = elements[i];
      break;
    }
  }
  return Scale(format.scale, values);
}

}  // namespace backprop
