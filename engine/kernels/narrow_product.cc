// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/narrow_product.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/narrow_product.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/dot-inl.h"

#ifndef BACKPROP_ENGINE_NARROW_PRODUCT_ONCE_
#define BACKPROP_ENGINE_NARROW_PRODUCT_ONCE_
namespace backprop {
namespace {

// Columns of W that are multiplied at once: those of 12 rows and of 4 samples
// fill the first-level cache.
constexpr size_t kForwardColumns = 512;
// Rows of W that all samples meet before the next ones: whole tiles for every
// number of samples.
constexpr size_t kForwardRows = 12;

// Rows and columns of W that all samples meet before the next ones. The columns
// are whole tiles for every number of samples; each row more spares a load and
// a store of the sums.
constexpr size_t kBackwardRows = 32;
constexpr size_t kBackwardColumns = 192;

// Calls visit(T, t) for groups of T = 2, 3 or 4 samples that begin at t: one
// alone would wait for its own sums.
template <class Visit>
void ForGroups(size_t samples, const Visit& visit) {
  size_t t = 0;
  while (samples - t > 5 || samples - t == 4) {
    visit(std::integral_constant<size_t, 4>(), t);
    t += 4;
  }
  if (samples - t == 5 || samples - t == 3) {
    visit(std::integral_constant<size_t, 3>(), t);
    t += 3;
  }
  if (samples - t == 2) visit(std::integral_constant<size_t, 2>(), t);
}

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_NARROW_PRODUCT_ONCE_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// A tile's sums: as many as registers hold beside what they are made of.
constexpr size_t kSums = kManyRegisters ? 24 : 12;

// z[t][r] += a^t·w_r for T samples, R rows of W.
template <size_t T, size_t R>
HWY_INLINE void DotsOfTile(Rows a, Rows w, size_t cols, MutableRows z) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  hn::Vec<Wide> sum[R][4];
#pragma GCC unroll 12
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (size_t t = 0; t < 4; ++t) sum[r][t] = hn::Zero(d);
  }
  size_t j = 0;
  for (; j + n <= cols; j += n) {
    hn::Vec<Wide> a_t[T];
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) a_t[t] = hn::LoadU(d, a[t] + j);
#pragma GCC unroll 12
    for (size_t r = 0; r < R; ++r) {
      const auto w_r = hn::LoadU(d, w[r] + j);
#pragma GCC unroll 4
      for (size_t t = 0; t < T; ++t) {
        sum[r][t] = hn::MulAdd(a_t[t], w_r, sum[r][t]);
      }
    }
  }
#pragma GCC unroll 12
  for (size_t r = 0; r < R; ++r) {
    float sums[4];
    StoreSums(sum[r], sums);
    for (size_t rest = j; rest < cols; ++rest) {
      for (size_t t = 0; t < T; ++t) sums[t] += a[t][rest] * w[r][rest];
    }
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) z[t][r] += sums[t];
  }
}

// All samples meet kForwardRows rows of W, or what is left of them.
HWY_INLINE void DotsOfRows(Rows a, size_t samples, Rows w, size_t rows,
                           size_t cols, MutableRows z) {
  ForGroups(samples, [&](auto group, size_t t) HWY_ATTR {
    constexpr size_t kGroup = decltype(group)::value;
    constexpr size_t kRows = std::min(kSums / kGroup, kForwardRows);
    size_t i = 0;
    for (; i + kRows <= rows; i += kRows) {
      DotsOfTile<kGroup, kRows>(a.From(t), w.From(i), cols,
                                z.From(t).FromColumn(i));
    }
    for (; i < rows; ++i) {
      DotsOfTile<kGroup, 1>(a.From(t), w.From(i), cols,
                            z.From(t).FromColumn(i));
    }
  });
}

void ForwardAll(Rows a, size_t samples, Rows w, size_t rows, size_t cols,
                MutableRows z) {
  for (size_t j = 0; j < cols; j += kForwardColumns) {
    const size_t width = std::min(kForwardColumns, cols - j);
    for (size_t i = 0; i < rows; i += kForwardRows) {
      DotsOfRows(a.FromColumn(j), samples, w.From(i).FromColumn(j),
                 std::min(kForwardRows, rows - i), width, z.FromColumn(i));
    }
  }
}

// below[t][j] += Σ_i signal[t][i]·w[i][j] for T samples, C vectors of columns.
template <size_t T, size_t C, class D>
HWY_INLINE void SumsOfTile(D d, Rows signal, Rows w, size_t rows,
                           MutableRows below) {
  const size_t n = hn::Lanes(d);
  hn::Vec<D> sum[T][C];
#pragma GCC unroll 4
  for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 12
    for (size_t c = 0; c < C; ++c) sum[t][c] = hn::LoadU(d, below[t] + c * n);
  }
  for (size_t i = 0; i < rows; ++i) {
    hn::Vec<D> w_i[C];
#pragma GCC unroll 12
    for (size_t c = 0; c < C; ++c) w_i[c] = hn::LoadU(d, w[i] + c * n);
#pragma GCC unroll 4
    for (size_t t = 0; t < T; ++t) {
      const auto signal_t = hn::Set(d, signal[t][i]);
#pragma GCC unroll 12
      for (size_t c = 0; c < C; ++c) {
        sum[t][c] = hn::MulAdd(signal_t, w_i[c], sum[t][c]);
      }
    }
  }
#pragma GCC unroll 4
  for (size_t t = 0; t < T; ++t) {
#pragma GCC unroll 12
    for (size_t c = 0; c < C; ++c) hn::StoreU(sum[t][c], d, below[t] + c * n);
  }
}

void BackwardAll(Rows signal, size_t samples, Rows w, size_t rows, size_t cols,
                 MutableRows below) {
  for (size_t i = 0; i < rows; i += kBackwardRows) {
    const size_t height = std::min(kBackwardRows, rows - i);
    for (size_t j = 0; j < cols; j += kBackwardColumns) {
      const size_t width = std::min(kBackwardColumns, cols - j);
      ForGroups(samples, [&](auto group, size_t t) HWY_ATTR {
        constexpr size_t kGroup = decltype(group)::value;
        ForTiles<kSums / kGroup, 1>(
            width, [&](auto d, auto vectors, size_t at) HWY_ATTR {
              SumsOfTile<kGroup, decltype(vectors)::value>(
                  d, signal.From(t).FromColumn(i), w.From(i).FromColumn(j + at),
                  height, below.From(t).FromColumn(j + at));
            });
      });
    }
  }
}

// Every kind of CPU but this one has kernels in OpenBLAS that take weights as
// they lie, or was not measured.
bool IsMeasured() { return HWY_TARGET == HWY_AVX2; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(ForwardAll);
HWY_EXPORT(BackwardAll);
HWY_EXPORT(IsMeasured);

}  // namespace

bool NarrowProductsPay() { return HWY_DYNAMIC_DISPATCH(IsMeasured)(); }

void AddNarrowForward(Rows a, size_t samples, Rows w, size_t rows, size_t cols,
                      MutableRows z) {
  HWY_DYNAMIC_DISPATCH(ForwardAll)(a, samples, w, rows, cols, z);
}

void AddNarrowBackward(Rows signal, size_t samples, Rows w, size_t rows,
                       size_t cols, MutableRows below) {
  HWY_DYNAMIC_DISPATCH(BackwardAll)(signal, samples, w, rows, cols, below);
}

}  // namespace backprop
#endif  // HWY_ONCE
