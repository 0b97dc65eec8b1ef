// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gram.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/gram.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Dot products: of 4 samples with so many earlier ones at once.
constexpr size_t kDotSamples = 4;
constexpr size_t kDotRows = kManyRegisters ? 6 : 2;

// z[t][i] += a^t·w_i for T ≤ 4 samples, R rows, over `size` columns, a
// multiple of the vector's; a is packed: `a_stride` numbers from row to row.
template <size_t T, size_t R>
HWY_INLINE void DotTile(const float* HWY_RESTRICT a, size_t a_stride,
                        const float* HWY_RESTRICT w, size_t w_stride,
                        size_t size, MutableRows z) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  hn::Vec<Wide> sum[R][kDotSamples];
#pragma GCC unroll 6
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t t = 0; t < kDotSamples; ++t) sum[r][t] = hn::Zero(d);
  }
  for (size_t j = 0; j < size; j += n) {
    hn::Vec<Wide> a_t[T];
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) a_t[t] = hn::LoadU(d, a + t * a_stride + j);
#pragma GCC unroll 6
    for (size_t r = 0; r < R; ++r) {
      const auto w_r = hn::LoadU(d, w + r * w_stride + j);
#pragma GCC unroll 4
      for (size_t t = 0; t < T; ++t) {
        sum[r][t] = hn::MulAdd(a_t[t], w_r, sum[r][t]);
      }
    }
  }
#pragma GCC unroll 6
  for (size_t r = 0; r < R; ++r) {
    float sums[4];
    StoreSums(sum[r], sums);
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) z[t][r] += sums[t];
  }
}

template <size_t R>
HWY_INLINE void DotRows(Rows a, size_t samples, const float* w, size_t w_stride,
                        size_t size, MutableRows z) {
  size_t t = 0;
  for (; t + 4 <= samples; t += 4) {
    DotTile<4, R>(a[t], a.stride, w, w_stride, size, z.From(t));
  }
  switch (samples - t) {
    case 3:
      return DotTile<3, R>(a[t], a.stride, w, w_stride, size, z.From(t));
    case 2:
      return DotTile<2, R>(a[t], a.stride, w, w_stride, size, z.From(t));
    case 1:
      return DotTile<1, R>(a[t], a.stride, w, w_stride, size, z.From(t));
    default:
      return;
  }
}

// gram[t][s] += a^t·a^s over `size` columns, a multiple of the vector's.
void AddGram(Rows a, Window window, size_t size, MutableRows gram) {
  size_t s = 0;
  const auto advance = [&](auto rows_at_once) HWY_ATTR {
    constexpr size_t kRows = decltype(rows_at_once)::value;
    const size_t behind = s > window.begin ? s - window.begin : 0;
    const size_t t = window.begin + behind / kDotSamples * kDotSamples;
    if (t < window.end) {
      DotRows<kRows>(a.From(t), window.end - t, a[s], a.stride, size,
                     gram.From(t).FromColumn(s));
    }
    s += kRows;
  };
  while (s + kDotRows <= window.end) {
    advance(std::integral_constant<size_t, kDotRows>());
  }
  while (s + 2 <= window.end) advance(std::integral_constant<size_t, 2>());
  while (s < window.end) advance(std::integral_constant<size_t, 1>());
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(AddGram);

// Columns of dot products that are gone through at once: a few samples then fit
// the first-level cache.
constexpr size_t kColumns = 1024;

// Whether every row begins a cache line and is not so far from the next that
// rows displace each other in the first-level cache.
bool LiesWell(Rows a, size_t cols) {
  return reinterpret_cast<uintptr_t>(a.data) % (kLine * sizeof(float)) == 0 &&
         a.stride % kLine == 0 && a.stride <= kColumns && cols % kLine == 0;
}

// Columns [begin, begin + cols) of a, with zeros behind them up to a whole
// line; repacked only where that helps.
Rows PackColumns(Rows a, size_t samples, size_t begin, size_t cols,
                 Scratch& scratch) {
  if (begin == 0 && LiesWell(a, cols)) return a;
  const size_t stride = RoundedUp(cols, kLine);
  float* const packed = scratch.Get(samples * stride);
  for (size_t t = 0; t < samples; ++t) {
    float* const row = packed + t * stride;
    std::copy_n(a[t] + begin, cols, row);
    std::fill(row + cols, row + stride, 0.0F);
  }
  return {packed, stride};
}

}  // namespace

void Gram(Rows a, Window window, size_t size, MutableRows gram,
          Scratch& scratch) {
  for (size_t t = window.begin; t < window.end; ++t) {
    std::fill_n(gram[t], window.end, 0.0F);
  }
  for (size_t begin = 0; begin < size; begin += kColumns) {
    const size_t cols = std::min(kColumns, size - begin);
    const Rows packed = PackColumns(a, window.end, begin, cols, scratch);
    HWY_DYNAMIC_DISPATCH(AddGram)
    (packed, window, RoundedUp(cols, kLine), gram);
  }
}

}  // namespace backprop
#endif  // HWY_ONCE
