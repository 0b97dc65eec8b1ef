// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/rank_update.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/rank_update.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/tile_loop-inl.h"

#ifndef BACKPROP_ENGINE_RANK_UPDATE_ONCE_
#define BACKPROP_ENGINE_RANK_UPDATE_ONCE_
namespace backprop {
namespace {

// What becomes of a tile of weights.
enum class Mode {
  kSteps,    // w ← fl(w + fl(u·a)), sample after sample
  kOneStep,  // g from the samples, w ← fl(w + g)
  kDense,  // g from the samples by fused multiply-add, d ← g, w ← fl(w + g)
};

// Rows of W that a tile has; u is repacked in groups of so many outputs.
constexpr size_t kTileRows = 4;
// Numbers of repacked `a` that stay in the caches while all rows go by.
constexpr size_t kPanelNumbers = 16384;
// Columns of a panel are a multiple of the widest tile (6 vectors of 16).
constexpr size_t kWidestTile = 96;

// The factors as a panel reads them.
struct Packed {
  const float* u;  // (outputs / kTileRows, samples, kTileRows)
  const float* a;  // (samples, a_stride)
  size_t a_stride;
  size_t samples;
};

// Where the tile at hand lies.
struct Target {
  float* w;
  float* d;  // kDense only; rows as far apart as W's
  size_t stride;

  Target At(size_t number) const {
    return {w + number, d == nullptr ? nullptr : d + number, stride};
  }
};

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_RANK_UPDATE_ONCE_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// R rows × C vectors. u: (samples, kTileRows); a: (samples, a_stride).
template <Mode mode, size_t R, size_t C, class D>
HWY_INLINE void UpdateTile(D d, const float* HWY_RESTRICT u,
                           const float* HWY_RESTRICT a, size_t a_stride,
                           size_t samples, Target target) {
  const size_t n = hn::Lanes(d);
  hn::Vec<D> g[R][C];
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 6
    for (size_t c = 0; c < C; ++c) {
      if constexpr (mode == Mode::kSteps) {
        g[r][c] = hn::LoadU(d, target.w + r * target.stride + c * n);
      } else {  // fl(0 + x) would make +0 of −0, so the first x is taken alone
        g[r][c] = hn::Mul(hn::Set(d, u[r]), hn::LoadU(d, a + c * n));
      }
    }
  }
  for (size_t s = mode == Mode::kSteps ? 0 : 1; s < samples; ++s) {
    hn::Vec<D> u_s[R];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; ++r) u_s[r] = hn::Set(d, u[s * kTileRows + r]);
#pragma GCC unroll 6
    for (size_t c = 0; c < C; ++c) {
      const auto a_s = hn::LoadU(d, a + s * a_stride + c * n);
#pragma GCC unroll 4
      for (size_t r = 0; r < R; ++r) {
        if constexpr (mode == Mode::kDense) {
          g[r][c] = hn::MulAdd(u_s[r], a_s, g[r][c]);
        } else {
          g[r][c] = hn::Add(g[r][c], hn::Mul(u_s[r], a_s));
        }
      }
    }
  }
#pragma GCC unroll 4
  for (size_t r = 0; r < R; ++r) {
#pragma GCC unroll 6
    for (size_t c = 0; c < C; ++c) {
      const size_t at = r * target.stride + c * n;
      if constexpr (mode == Mode::kDense) hn::StoreU(g[r][c], d, target.d + at);
      if constexpr (mode != Mode::kSteps) {
        g[r][c] = hn::Add(hn::LoadU(d, target.w + at), g[r][c]);
      }
      hn::StoreU(g[r][c], d, target.w + at);
    }
  }
}

// R rows, all columns of a panel.
template <Mode mode, size_t R>
HWY_INLINE void UpdateRows(const float* u, const float* a, size_t a_stride,
                           size_t cols, size_t samples, const Target& target) {
  // 32 registers hold 4 rows × 6 vectors and what else is needed, 16 hold 4
  // × 2.
  ForTiles<kManyRegisters ? 6 : 2, 2, 1>(
      cols, [&](auto d, auto vectors, size_t j) HWY_ATTR {
        UpdateTile<mode, R, decltype(vectors)::value>(d, u, a + j, a_stride,
                                                      samples, target.At(j));
      });
}

// All rows of the columns whose `a` has been repacked.
template <Mode mode>
void UpdatePanel(const Packed& packed, size_t rows, size_t cols,
                 Target target) {
  const size_t samples = packed.samples;
  size_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) {
    UpdateRows<mode, kTileRows>(packed.u + i * samples, packed.a,
                                packed.a_stride, cols, samples,
                                target.At(i * target.stride));
  }
  for (size_t r = 0; i + r < rows; ++r) {
    UpdateRows<mode, 1>(packed.u + i * samples + r, packed.a, packed.a_stride,
                        cols, samples, target.At((i + r) * target.stride));
  }
}

void Steps(const Packed& packed, size_t rows, size_t cols, Target target) {
  UpdatePanel<Mode::kSteps>(packed, rows, cols, target);
}
void OneStep(const Packed& packed, size_t rows, size_t cols, Target target) {
  UpdatePanel<Mode::kOneStep>(packed, rows, cols, target);
}
void Dense(const Packed& packed, size_t rows, size_t cols, Target target) {
  UpdatePanel<Mode::kDense>(packed, rows, cols, target);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(Steps);
HWY_EXPORT(OneStep);
HWY_EXPORT(Dense);

// u in groups of kTileRows outputs: (outputs/kTileRows, samples, kTileRows).
void PackU(const LayerFactors& factors, float* packed) {
  for (size_t i = 0; i < factors.outputs; i += kTileRows) {
    const size_t rows = std::min(kTileRows, factors.outputs - i);
    for (size_t s = 0; s < factors.samples; ++s) {
      std::copy_n(factors.u[s] + i, rows, packed);
      packed += kTileRows;
    }
  }
}

// Columns [begin, begin + cols) of a.
void PackA(const LayerFactors& factors, size_t begin, size_t cols,
           size_t stride, float* packed) {
  for (size_t s = 0; s < factors.samples; ++s) {
    std::copy_n(factors.a[s] + begin, cols, packed + s * stride);
  }
}

void Update(Mode mode, const LayerFactors& factors, float* d, float* w,
            Scratch& scratch) {
  const size_t widest = std::max(
      kWidestTile, kPanelNumbers / factors.samples / kWidestTile * kWidestTile);
  const size_t panel = std::min(factors.inputs, widest);
  const size_t stride = RoundedUp(panel, kLine);
  const size_t u_numbers =
      RoundedUp(RoundedUp(factors.outputs, kTileRows) * factors.samples, kLine);
  float* const u = scratch.Get(u_numbers + stride * factors.samples);
  float* const a = u + u_numbers;
  PackU(factors, u);
  for (size_t begin = 0; begin < factors.inputs; begin += panel) {
    const size_t cols = std::min(panel, factors.inputs - begin);
    PackA(factors, begin, cols, stride, a);
    const Packed packed{u, a, stride, factors.samples};
    const Target target = Target{w, d, factors.inputs}.At(begin);
    switch (mode) {
      case Mode::kSteps:
        HWY_DYNAMIC_DISPATCH(Steps)(packed, factors.outputs, cols, target);
        break;
      case Mode::kOneStep:
        HWY_DYNAMIC_DISPATCH(OneStep)(packed, factors.outputs, cols, target);
        break;
      case Mode::kDense:
        HWY_DYNAMIC_DISPATCH(Dense)(packed, factors.outputs, cols, target);
        break;
    }
  }
}

// g from the samples' u in their order, then bias ← fl(bias + g).
void AddToBias(const LayerFactors& factors, float* g, float* bias) {
  std::copy_n(factors.u[0], factors.outputs, g);
  for (size_t s = 1; s < factors.samples; ++s) {
    const float* const u = factors.u[s];
    for (size_t i = 0; i < factors.outputs; ++i) g[i] += u[i];
  }
  for (size_t i = 0; i < factors.outputs; ++i) bias[i] += g[i];
}

}  // namespace

void ApplySteps(const LayerFactors& factors, float* w, float* bias,
                Scratch& scratch) {
  if (factors.samples == 0) return;
  Update(Mode::kSteps, factors, nullptr, w, scratch);
  for (size_t s = 0; s < factors.samples; ++s) {
    for (size_t i = 0; i < factors.outputs; ++i) bias[i] += factors.u[s][i];
  }
}

void ApplyOneStep(const LayerFactors& factors, float* w, float* bias,
                  Scratch& scratch) {
  Update(Mode::kOneStep, factors, nullptr, w, scratch);
  AddToBias(factors, scratch.Get(factors.outputs), bias);
}

void ApplyDense(const LayerFactors& factors, float* d, float* w, float* bias,
                Scratch& scratch) {
  Update(Mode::kDense, factors, d, w, scratch);
  AddToBias(factors, d + factors.outputs * factors.inputs, bias);
}

}  // namespace backprop
#endif  // HWY_ONCE
