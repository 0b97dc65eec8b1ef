// SPDX-License-Identifier: Apache-2.0
//
// Loops over spans of floats by vectors, for any length; compiled once for each
// kind of CPU, as engine/kernels/elementary-inl.h.
#if defined(BACKPROP_ENGINE_KERNELS_VECTOR_LOOP_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_KERNELS_VECTOR_LOOP_INL_H_
#undef BACKPROP_ENGINE_KERNELS_VECTOR_LOOP_INL_H_
#else
#define BACKPROP_ENGINE_KERNELS_VECTOR_LOOP_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

// The first n numbers at p, n at most a vector's; `rest` after them.
HWY_INLINE Vector LoadFirst(const float* p, size_t n, float rest) {
  const Floats d;
  if (HWY_LIKELY(n == hn::Lanes(d))) return hn::LoadU(d, p);
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  for (size_t i = 0; i < hn::Lanes(d); ++i) buffer[i] = i < n ? p[i] : rest;
  return hn::Load(d, buffer);
#else
  const auto mask = hn::FirstN(d, n);
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, p), hn::Set(d, rest));
#endif
}

HWY_INLINE void StoreFirst(Vector v, float* p, size_t n) {
  const Floats d;
  if (HWY_LIKELY(n == hn::Lanes(d))) return hn::StoreU(v, d, p);
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  hn::Store(v, d, buffer);
  std::copy(buffer, buffer + n, p);
#else
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#endif
}

// v with 0 in place of all but its first n numbers.
HWY_INLINE Vector KeepFirst(Vector v, size_t n) {
  const Floats d;
  if (HWY_LIKELY(n == hn::Lanes(d))) return v;
  return hn::IfThenElseZero(hn::FirstN(d, n), v);
}

// Calls use(vector, i, n) for every part of p: its n numbers from i on, with
// `rest` in the last one's further lanes.
template <class Use>
HWY_INLINE void ForEach(const float* p, size_t size, float rest, Use use) {
  const size_t lanes = hn::Lanes(Floats());
  size_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    use(LoadFirst(p + i, lanes, rest), i, lanes);
  }
  if (i < size) use(LoadFirst(p + i, size - i, rest), i, size - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_KERNELS_VECTOR_LOOP_INL_H_
