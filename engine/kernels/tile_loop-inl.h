// SPDX-License-Identifier: Apache-2.0
//
// Loops over columns by tiles of vectors that stay in registers, for any number
// of columns; compiled once for each kind of CPU. vector_loop-inl.h is for
// loops that need one vector at a time: there the last one is partly filled,
// which would waste a whole tile here.
#if defined(BACKPROP_ENGINE_KERNELS_TILE_LOOP_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_KERNELS_TILE_LOOP_INL_H_
#undef BACKPROP_ENGINE_KERNELS_TILE_LOOP_INL_H_
#else
#define BACKPROP_ENGINE_KERNELS_TILE_LOOP_INL_H_
#endif

#include <cstddef>
#include <type_traits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

// The widest vector that we use: at most a cache line.
using Wide = hwy::HWY_NAMESPACE::CappedTag<float, 16>;

// Whether a tile has 32 vector registers; else it has 16.
constexpr bool kManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON;

// Calls visit(d, C, j) for tiles of C vectors of d as long as they fit between
// column j and `size`; returns where they end.
template <size_t C, class D, class Visit>
HWY_INLINE size_t TilesFrom(D d, size_t j, size_t size, const Visit& visit) {
  const size_t columns = C * hwy::HWY_NAMESPACE::Lanes(d);
  for (; j + columns <= size; j += columns) {
    visit(d, std::integral_constant<size_t, C>(), j);
  }
  return j;
}

// Covers columns 0 … size − 1: calls visit(d, c, j) for a tile of c() vectors
// of d that begins at column j. Tiles are of kVectors wide vectors, first to
// last as long as each fits, then of one vector of four, then of one number.
template <size_t... kVectors, class Visit>
HWY_INLINE void ForTiles(size_t size, const Visit& visit) {
  size_t j = 0;
  ((j = TilesFrom<kVectors>(Wide(), j, size, visit)), ...);
  j = TilesFrom<1>(hwy::HWY_NAMESPACE::CappedTag<float, 4>(), j, size, visit);
  TilesFrom<1>(hwy::HWY_NAMESPACE::CappedTag<float, 1>(), j, size, visit);
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_KERNELS_TILE_LOOP_INL_H_
