// SPDX-License-Identifier: Apache-2.0
//
// Sums over the lanes of vectors. Included once a Highway target.
#if defined(BACKPROP_ENGINE_KERNELS_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_KERNELS_DOT_INL_H_
#undef BACKPROP_ENGINE_KERNELS_DOT_INL_H_
#else
#define BACKPROP_ENGINE_KERNELS_DOT_INL_H_
#endif

#include <cstddef>

#include "engine/kernels/tile_loop-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// Lane t of each block of four lanes ← the sum of that block of v[t].
HWY_INLINE hwy::HWY_NAMESPACE::Vec<Wide> BlockSums(
    const hwy::HWY_NAMESPACE::Vec<Wide> (&v)[4]) {
  namespace hn = hwy::HWY_NAMESPACE;
  const Wide d;
  const hn::RepartitionToWide<Wide> pairs;
  // Per block: (0, 1, 0, 1) of v[0] and v[1], and the same of v[2] and v[3].
  const auto low =
      hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[0], v[1]),
                                 hn::InterleaveUpper(d, v[0], v[1])));
  const auto high =
      hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[2], v[3]),
                                 hn::InterleaveUpper(d, v[2], v[3])));
  return hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, low, high)),
                 hn::BitCast(d, hn::InterleaveUpper(pairs, low, high)));
}

// sums[0…3] ← the sum of v's blocks of four lanes.
template <class D>
HWY_INLINE void StoreBlockSum(D d, hwy::HWY_NAMESPACE::Vec<D> v, float* sums) {
  namespace hn = hwy::HWY_NAMESPACE;
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    StoreBlockSum(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)),
                  sums);
  } else {
    hn::StoreU(v, d, sums);
  }
}
#endif

// sums[t] ← the sum of v[t]'s lanes, four vectors at once: a transposition
// costs less than four sums apart.
HWY_INLINE void StoreSums(const hwy::HWY_NAMESPACE::Vec<Wide> (&v)[4],
                          float* sums) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
  for (size_t t = 0; t < 4; ++t) sums[t] = hn::GetLane(v[t]);
#else
  StoreBlockSum(Wide(), BlockSums(v), sums);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_KERNELS_DOT_INL_H_
