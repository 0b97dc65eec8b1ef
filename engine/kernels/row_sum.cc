// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/row_sum.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/row_sum.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/tile_loop-inl.h"

#ifndef BACKPROP_ENGINE_KERNELS_ROW_SUM_ONCE_
#define BACKPROP_ENGINE_KERNELS_ROW_SUM_ONCE_
namespace backprop {
namespace {

// Samples whose sums are made at once: with 3 vectors of columns they fill 32
// registers.
constexpr size_t kSumSamples = 8;

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_KERNELS_ROW_SUM_ONCE_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

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
  const auto tile = [&](auto d, auto vectors, size_t j) HWY_ATTR {
    SumTile<T, decltype(vectors)::value>(d, c, x.data + j, x.stride, terms,
                                         y.FromColumn(j));
  };
  ForTiles<kManyRegisters ? 3 : 1, 1>(cols, tile);
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

// y += c·x for C vectors of columns of one sample.
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

// 8 vectors at once, so that sums don't wait for each other.
void AddRow(const float* c, Rows x, size_t terms, size_t size, float* y) {
  ForTiles<8, 1>(size, [&](auto d, auto vectors, size_t j) HWY_ATTR {
    RowTile<decltype(vectors)::value>(d, c, x.data + j, x.stride, terms, y + j);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(AddSums);
HWY_EXPORT(AddRow);

}  // namespace

void AddEarlier(Rows c, Rows x, Window window, size_t size, MutableRows y,
                Scratch& scratch) {
  float* const packed = scratch.Get(window.end * kSumSamples);
  for (size_t t = window.begin; t < window.end; t += kSumSamples) {
    const size_t group = std::min(kSumSamples, window.end - t);
    const size_t terms = t + group - 1;  // the group's last row has so many
    for (size_t g = 0; g < group; ++g) {
      for (size_t s = 0; s < terms; ++s) {
        packed[s * kSumSamples + g] = s < t + g ? c[t + g][s] : 0.0F;
      }
    }
    HWY_DYNAMIC_DISPATCH(AddSums)
    (packed, x, terms, size, group, y.From(t));
  }
}

void AddSum(const float* c, Rows x, size_t terms, size_t size, float* y) {
  if (terms > 0) HWY_DYNAMIC_DISPATCH(AddRow)(c, x, terms, size, y);
}

}  // namespace backprop
#endif  // HWY_ONCE
