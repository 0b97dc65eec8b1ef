// SPDX-License-Identifier: Apache-2.0
#include "engine/network/softmax.h"

#include <cmath>
#include <cstddef>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/network/softmax.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "engine/kernels/elementary-inl.h"
#include "engine/kernels/vector_loop-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

// What stands after the last number: e to its power is 0.
constexpr float kNothing = -std::numeric_limits<float>::infinity();

float LargestLogit(const float* z, size_t size) {
  const Floats d;
  Vector largest = hn::Set(d, kNothing);
  ForEach(z, size, kNothing, [&](Vector part, size_t, size_t) HWY_ATTR {
    largest = hn::Max(largest, part);
  });
  return hn::GetLane(hn::MaxOfLanes(d, largest));
}

// e^(z − largest); of NaN, NaN.
HWY_INLINE Vector Relative(Vector z, Vector largest) {
  const Floats d;
  return KeepNan(z, Exp(d, hn::Sub(z, largest)));
}

void SoftmaxAll(const float* z, float* a, size_t size) {
  const Floats d;
  const Vector largest = hn::Set(d, LargestLogit(z, size));
  Vector sums = hn::Zero(d);
  ForEach(z, size, kNothing, [&](Vector part, size_t i, size_t n) HWY_ATTR {
    const Vector e = Relative(part, largest);
    sums = hn::Add(sums, e);
    StoreFirst(e, a + i, n);
  });
  const Vector sum = hn::SumOfLanes(d, sums);
  ForEach(a, size, 0, [&](Vector part, size_t i, size_t n) HWY_ATTR {
    StoreFirst(hn::Div(part, sum), a + i, n);
  });
}

LogSum LogSumAll(const float* z, size_t size) {
  const Floats d;
  const Vector largest = hn::Set(d, LargestLogit(z, size));
  Vector others = hn::Zero(d);  // Σ e^(z − largest) without the largest
  Vector ties = hn::Zero(d);    // how many are the largest
  ForEach(z, size, kNothing, [&](Vector part, size_t, size_t) HWY_ATTR {
    const auto is_largest = hn::Eq(part, largest);
    const Vector e = Relative(part, largest);
    others = hn::Add(others, hn::IfThenZeroElse(is_largest, e));
    ties = hn::Add(ties, hn::IfThenElseZero(is_largest, hn::Set(d, 1.0F)));
  });
  const double more = double{hn::GetLane(hn::SumOfLanes(d, ties))} - 1;
  const double beside_one = more + hn::GetLane(hn::SumOfLanes(d, others));
  return {hn::GetLane(largest), std::log1p(beside_one)};
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(SoftmaxAll);
HWY_EXPORT(LogSumAll);

}  // namespace

void Softmax(std::span<const float> z, std::span<float> a) {
  HWY_DYNAMIC_DISPATCH(SoftmaxAll)(z.data(), a.data(), z.size());
}

LogSum LogSumExp(std::span<const float> z) {
  return HWY_DYNAMIC_DISPATCH(LogSumAll)(z.data(), z.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
