// SPDX-License-Identifier: Apache-2.0
#include "engine/magnitude.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/magnitude.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Without their sign, floats are ordered as their bits are, NaN beyond ∞.
float LargestMagnitude(const float* numbers, size_t size) {
  constexpr int32_t kMagnitude = 0x7fffffff;
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  auto largest = hn::Zero(di);
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    const auto bits = hn::BitCast(di, hn::LoadU(d, numbers + i));
    largest = hn::Max(largest, hn::And(bits, hn::Set(di, kMagnitude)));
  }
  int32_t result = hn::GetLane(hn::MaxOfLanes(di, largest));
  for (; i < size; ++i) {
    result = std::max(result, std::bit_cast<int32_t>(numbers[i]) & kMagnitude);
  }
  return std::bit_cast<float>(result);
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(LargestMagnitude);

float LargestMagnitude(std::span<const float> numbers) {
  return HWY_DYNAMIC_DISPATCH(LargestMagnitude)(numbers.data(), numbers.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
