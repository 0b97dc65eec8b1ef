// SPDX-License-Identifier: Apache-2.0
//
// What the delta contract and its bounds ask of factors (proto/backprop/v1/
// delta.proto (5), (6)), on vectors; compiled once for each kind of CPU.
#if defined(BACKPROP_ENGINE_KERNELS_FACTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_KERNELS_FACTOR_INL_H_
#undef BACKPROP_ENGINE_KERNELS_FACTOR_INL_H_
#else
#define BACKPROP_ENGINE_KERNELS_FACTOR_INL_H_
#endif

#include "engine/contract/delta.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Entries below kSmallestFactor in magnitude become 0; NaN stays.
template <class D, class V>
HWY_INLINE V Flushed(D d, V factor) {
  const auto small = hn::Lt(hn::Abs(factor), hn::Set(d, kSmallestFactor));
  return hn::IfThenElse(small, hn::Zero(d), factor);
}

// Finds the largest magnitude of many vectors' numbers; NaN if any of them is
// infinite or NaN.
template <class D>
class Magnitudes {
 public:
  HWY_INLINE explicit Magnitudes(D d) : largest_(hn::Zero(d)), odd_(largest_) {}

  HWY_INLINE void See(hn::Vec<D> v) {
    largest_ = hn::Max(largest_, hn::Abs(v));
    odd_ = hn::Add(odd_, hn::Sub(v, v));  // 0, or NaN
  }

  HWY_INLINE float Largest(D d) const {
    return hn::GetLane(hn::MaxOfLanes(d, largest_)) +
           hn::GetLane(hn::SumOfLanes(d, odd_));
  }

 private:
  hn::Vec<D> largest_;
  hn::Vec<D> odd_;
};

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_KERNELS_FACTOR_INL_H_
