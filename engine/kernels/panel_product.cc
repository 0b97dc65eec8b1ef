// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/panel_product.h"

#include <algorithm>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/panel_product.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters =
    HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON;

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
  const auto at = [&](size_t row) { return MutableRows{z[row], z.stride}; };
  for (; t + 4 <= samples; t += 4) {
    DotTile<4, R>(a[t], a.stride, w, w_stride, size, at(t));
  }
  switch (samples - t) {
    case 3:
      return DotTile<3, R>(a[t], a.stride, w, w_stride, size, at(t));
    case 2:
      return DotTile<2, R>(a[t], a.stride, w, w_stride, size, at(t));
    case 1:
      return DotTile<1, R>(a[t], a.stride, w, w_stride, size, at(t));
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
      DotRows<kRows>({a[t], a.stride}, window.end - t, a[s], a.stride, size,
                     {gram[t] + s, gram.stride});
    }
    s += kRows;
  };
  while (s + kDotRows <= window.end) {
    advance(std::integral_constant<size_t, kDotRows>());
  }
  while (s + 2 <= window.end) advance(std::integral_constant<size_t, 2>());
  while (s < window.end) advance(std::integral_constant<size_t, 1>());
}

// Sums: of 8 samples, 3 vectors of columns at once.
constexpr size_t kSumSamples = 8;

// y[t][j] += Σ_i c_i^t·x_i[j] for T samples, C vectors; c: (terms,
// kSumSamples).
template <size_t T, size_t C, class D>
HWY_INLINE void SumTile(D d, const float* HWY_RESTRICT c,
                        const float* HWY_RESTRICT x, size_t x_stride,
                        size_t terms, MutableRows y) {
  const size_t n = hn::Lanes(d);
  hn::Vec<D> sum[T][C];
#pragma GCC unroll 8
  for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (size_t v = 0; v < C; ++v) sum[t][v] = hn::LoadU(d, y[t] + v * n);
  }
  for (size_t i = 0; i < terms; ++i) {
    hn::Vec<D> x_i[C];
#pragma GCC unroll 3
    for (size_t v = 0; v < C; ++v) {
      x_i[v] = hn::LoadU(d, x + i * x_stride + v * n);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < T; ++t) {
      const auto c_i = hn::Set(d, c[i * kSumSamples + t]);
#pragma GCC unroll 3
      for (size_t v = 0; v < C; ++v) {
        sum[t][v] = hn::MulAdd(c_i, x_i[v], sum[t][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 3
    for (size_t v = 0; v < C; ++v) hn::StoreU(sum[t][v], d, y[t] + v * n);
  }
}

// Columns [0, cols), T samples.
template <size_t T>
HWY_INLINE void SumCols(const float* c, Rows x, size_t terms, size_t cols,
                        MutableRows y) {
  constexpr size_t kVectors = kManyRegisters ? 3 : 1;
  const Wide wide;
  const hn::CappedTag<float, 4> narrow;
  const hn::CappedTag<float, 1> single;
  const size_t n = hn::Lanes(wide);
  size_t j = 0;
  const auto at = [&](size_t col) {
    return MutableRows{y.data + col, y.stride};
  };
  for (; j + kVectors * n <= cols; j += kVectors * n) {
    SumTile<T, kVectors>(wide, c, x.data + j, x.stride, terms, at(j));
  }
  for (; j + n <= cols; j += n) {
    SumTile<T, 1>(wide, c, x.data + j, x.stride, terms, at(j));
  }
  const size_t m = hn::Lanes(narrow);
  for (; j + m <= cols; j += m) {
    SumTile<T, 1>(narrow, c, x.data + j, x.stride, terms, at(j));
  }
  for (; j < cols; ++j) {
    SumTile<T, 1>(single, c, x.data + j, x.stride, terms, at(j));
  }
}

// y += c·x for up to kSumSamples samples.
void AddSums(const float* c, Rows x, size_t terms, size_t cols, size_t samples,
             MutableRows y) {
  switch (samples) {
    case 8:
      return SumCols<8>(c, x, terms, cols, y);
    case 7:
      return SumCols<7>(c, x, terms, cols, y);
    case 6:
      return SumCols<6>(c, x, terms, cols, y);
    case 5:
      return SumCols<5>(c, x, terms, cols, y);
    case 4:
      return SumCols<4>(c, x, terms, cols, y);
    case 3:
      return SumCols<3>(c, x, terms, cols, y);
    case 2:
      return SumCols<2>(c, x, terms, cols, y);
    case 1:
      return SumCols<1>(c, x, terms, cols, y);
    default:
      return;
  }
}

// y += c·x, 8 vectors at once, so that sums don't wait for each other.
template <size_t C, class D>
HWY_INLINE void RowTile(D d, const float* HWY_RESTRICT c, const float* x,
                        size_t x_stride, size_t terms, float* y) {
  const size_t n = hn::Lanes(d);
  hn::Vec<D> sum[C];
#pragma GCC unroll 8
  for (size_t v = 0; v < C; ++v) sum[v] = hn::LoadU(d, y + v * n);
  for (size_t s = 0; s < terms; ++s) {
    const auto c_s = hn::Set(d, c[s]);
#pragma GCC unroll 8
    for (size_t v = 0; v < C; ++v) {
      const auto x_s = hn::LoadU(d, x + s * x_stride + v * n);
      sum[v] = hn::MulAdd(c_s, x_s, sum[v]);
    }
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < C; ++v) hn::StoreU(sum[v], d, y + v * n);
}

void AddRow(const float* c, Rows x, size_t terms, size_t size, float* y) {
  const Wide wide;
  const hn::CappedTag<float, 1> single;
  const size_t n = hn::Lanes(wide);
  size_t j = 0;
  for (; j + 8 * n <= size; j += 8 * n) {
    RowTile<8>(wide, c, x.data + j, x.stride, terms, y + j);
  }
  for (; j + n <= size; j += n) {
    RowTile<1>(wide, c, x.data + j, x.stride, terms, y + j);
  }
  for (; j < size; ++j) {
    RowTile<1>(single, c, x.data + j, x.stride, terms, y + j);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(AddGram);
HWY_EXPORT(AddSums);
HWY_EXPORT(AddRow);

// Columns of dot products that are gone through at once: a few samples then fit
// the first-level cache.
constexpr size_t kColumns = 1024;
constexpr size_t kGroup = 8;  // samples, as kSumSamples

// Whether every row begins a cache line and is not so far from the next that
// rows displace each other in the first-level cache.
bool LiesWell(Rows a, size_t cols) {
  return reinterpret_cast<uintptr_t>(a.data) % (kLine * sizeof(float)) == 0 &&
         a.stride % kLine == 0 && a.stride <= kColumns && cols % kLine == 0;
}

// Columns [begin, begin + cols) of a, with zeros behind them up to a whole
// line; repacked only where that helps.
Rows PackColumns(Rows a, size_t samples, size_t begin, size_t cols,
                 Panel& scratch) {
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
          Panel& scratch) {
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

void AddEarlier(Rows c, Rows x, Window window, size_t size, MutableRows y,
                Panel& scratch) {
  float* const packed = scratch.Get(window.end * kGroup);
  for (size_t t = window.begin; t < window.end; t += kGroup) {
    const size_t group = std::min(kGroup, window.end - t);
    const size_t terms = t + group - 1;  // the group's last row has so many
    for (size_t g = 0; g < group; ++g) {
      for (size_t s = 0; s < terms; ++s) {
        packed[s * kGroup + g] = s < t + g ? c[t + g][s] : 0.0F;
      }
    }
    HWY_DYNAMIC_DISPATCH(AddSums)
    (packed, x, terms, size, group, {y[t], y.stride});
  }
}

void AddSum(const float* c, Rows x, size_t terms, size_t size, float* y) {
  if (terms > 0) HWY_DYNAMIC_DISPATCH(AddRow)(c, x, terms, size, y);
}

}  // namespace backprop
#endif  // HWY_ONCE
