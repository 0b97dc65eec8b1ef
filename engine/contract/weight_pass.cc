// SPDX-License-Identifier: Apache-2.0
//
// Highway compiles what lies between HWY_BEFORE_NAMESPACE and
// HWY_AFTER_NAMESPACE once for each kind of CPU. What makes D and the weights
// is never MulAdd, whose rounding depends on the CPU.
#include "engine/contract/weight_pass.h"

#include <algorithm>
#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/contract/weight_pass.cc"
// clang-format off: foreach_target.h must stand first
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// clang-format on
#include "engine/contract/rules-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class R, class D, class V = hn::Vec<D>>
HWY_INLINE State<V> LoadState(D d, float* const* state, size_t at) {
  State<V> loaded{hn::Zero(d), hn::Zero(d)};
  if constexpr (R::kState.size() > 0) {
    loaded.first = hn::LoadU(d, state[0] + at);
  }
  if constexpr (R::kState.size() > 1) {
    loaded.second = hn::LoadU(d, state[1] + at);
  }
  return loaded;
}

template <class R, class D, class V = hn::Vec<D>>
HWY_INLINE void StoreState(D d, const State<V>& from, float* const* state,
                           size_t at) {
  if constexpr (R::kState.size() > 0) hn::StoreU(from.first, d, state[0] + at);
  if constexpr (R::kState.size() > 1) hn::StoreU(from.second, d, state[1] + at);
}

// g of row i's columns from j on.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Gradient(D d, const Factors& factors, size_t i, size_t j) {
  V g = hn::Mul(hn::Set(d, factors.u[i]), hn::LoadU(d, factors.a + j));
  for (size_t s = 1; s < factors.samples; ++s) {
    const V u = hn::Set(d, factors.u[s * factors.u_stride + i]);
    const V a = hn::LoadU(d, factors.a + s * factors.a_stride + j);
    g = hn::Add(g, hn::Mul(u, a));
  }
  return g;
}

template <class D, class V>
HWY_INLINE float Sum(D d, V v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

// Row i's columns from j on that fill whole vectors of D; returns where it
// ended.
template <class R, bool regularise, class D>
HWY_INLINE size_t Columns(D d, const Scalars& scalars, const Factors& factors,
                          const PassTargets& targets, size_t i, size_t j) {
  const float* x = targets.next.x;
  const size_t lanes = hn::Lanes(d);
  const size_t begin = i * targets.columns;
  float* const weights = targets.weights + begin;
  auto product = hn::Zero(d);
  for (; j + lanes <= targets.columns; j += lanes) {
    const auto g = Gradient(d, factors, i, j);
    const auto before = hn::LoadU(d, weights + j);
    auto state = LoadState<R>(d, targets.state, begin + j);
    const auto delta = Delta<R, regularise>(d, scalars, g, before, state);
    StoreState<R>(d, state, targets.state, begin + j);
    if (targets.delta != nullptr) {
      hn::StoreU(delta, d, targets.delta + begin + j);
    }
    if (!targets.add) continue;
    const auto w = hn::Add(before, delta);
    hn::StoreU(w, d, weights + j);
    if (x != nullptr) product = hn::MulAdd(w, hn::LoadU(d, x + j), product);
  }
  if (x != nullptr) targets.next.z[i] += Sum(d, product);
  return j;
}

// As Columns, but only z.
template <class D>
HWY_INLINE size_t Product(D d, const float* w, const float* x, size_t columns,
                          size_t j, float* z) {
  auto product = hn::Zero(d);
  const size_t lanes = hn::Lanes(d);
  for (; j + lanes <= columns; j += lanes) {
    product = hn::MulAdd(hn::LoadU(d, w + j), hn::LoadU(d, x + j), product);
  }
  *z += Sum(d, product);
  return j;
}

// Arguments are copies, which no store through float* can reach.
template <class R, bool regularise>
void PassRows(const Scalars scalars, const Factors factors,
              const PassTargets targets) {
  const hn::ScalableTag<float> all;
  const hn::CappedTag<float, 4> four;
  const hn::CappedTag<float, 1> one;
  for (size_t i = 0; i < targets.rows; ++i) {
    if (targets.next.x != nullptr) targets.next.z[i] = 0;
    size_t j = Columns<R, regularise>(all, scalars, factors, targets, i, 0);
    j = Columns<R, regularise>(four, scalars, factors, targets, i, j);
    Columns<R, regularise>(one, scalars, factors, targets, i, j);
  }
}

// 0 where state is too small, at the end of a step for which IsFlushStep. A
// pass of its own: once in kFlushPeriod steps it costs little.
template <class R>
void FlushState(const PassTargets& targets) {
  const hn::ScalableTag<float> all;
  const hn::CappedTag<float, 1> one;
  const size_t size = targets.rows * targets.columns;
  for (size_t n = 0; n < R::kState.size(); ++n) {
    const float smallest = R::kState[n].smallest;
    float* const state = targets.state[n];
    const auto flush = [&](auto d, size_t at) HWY_ATTR {
      hn::StoreU(ZeroBelow(d, hn::LoadU(d, state + at), smallest), d,
                 state + at);
    };
    if (smallest == 0) continue;
    size_t j = 0;
    for (; j + hn::Lanes(all) <= size; j += hn::Lanes(all)) flush(all, j);
    for (; j < size; ++j) flush(one, j);
  }
}

// One step a sample, for row i and C vectors of columns from j on, which stay
// in registers with their state. C, so that steps don't wait for the one
// before.
template <class R, bool regularise, size_t C, class D>
HWY_INLINE void StepTile(D d, const Scalars* scalars, const Factors& factors,
                         const PassTargets& targets, size_t i, size_t j) {
  const size_t lanes = hn::Lanes(d);
  const size_t at = i * targets.columns + j;
  hn::Vec<D> w[C];
  State<hn::Vec<D>> state[C];
#pragma GCC unroll 4
  for (size_t c = 0; c < C; ++c) {
    w[c] = hn::LoadU(d, targets.weights + at + c * lanes);
    state[c] = LoadState<R>(d, targets.state, at + c * lanes);
  }
  const float* a = factors.a + j;
  for (size_t s = 0; s < factors.samples; ++s, a += factors.a_stride) {
    const auto u = hn::Set(d, factors.u[s * factors.u_stride + i]);
#pragma GCC unroll 4
    for (size_t c = 0; c < C; ++c) {
      const auto g = hn::Mul(u, hn::LoadU(d, a + c * lanes));
      w[c] =
          hn::Add(w[c], Delta<R, regularise>(d, scalars[s], g, w[c], state[c]));
    }
  }
#pragma GCC unroll 4
  for (size_t c = 0; c < C; ++c) {
    hn::StoreU(w[c], d, targets.weights + at + c * lanes);
    StoreState<R>(d, state[c], targets.state, at + c * lanes);
  }
}

// Columns first, so that the samples' a stay in the first-level cache while the
// rows go by.
template <class R, bool regularise>
void StepRows(const Scalars* scalars, const Factors factors,
              const PassTargets targets) {
  const hn::ScalableTag<float> all;
  const hn::CappedTag<float, 1> one;
  const size_t lanes = hn::Lanes(all);
  size_t j = 0;
  for (; j + 4 * lanes <= targets.columns; j += 4 * lanes) {
    for (size_t i = 0; i < targets.rows; ++i) {
      StepTile<R, regularise, 4>(all, scalars, factors, targets, i, j);
    }
  }
  for (; j + lanes <= targets.columns; j += lanes) {
    for (size_t i = 0; i < targets.rows; ++i) {
      StepTile<R, regularise, 1>(all, scalars, factors, targets, i, j);
    }
  }
  for (; j < targets.columns; ++j) {
    for (size_t i = 0; i < targets.rows; ++i) {
      StepTile<R, regularise, 1>(one, scalars, factors, targets, i, j);
    }
  }
}

// In parts that end with the steps after which state is flushed.
template <class R>
void StepMatrix(const PassSteps& steps, const Factors& factors,
                const PassTargets& targets) {
  Scalars scalars[kFlushPeriod];
  Factors part = factors;
  const size_t count = steps.scalars.size() / factors.samples;
  for (size_t s = 0; s < factors.samples; s += part.samples) {
    part.u = factors.u + s * factors.u_stride;
    part.a = factors.a + s * factors.a_stride;
    part.samples =
        std::min<uint64_t>(factors.samples - s,
                           kFlushPeriod - (steps.first + s - 1) % kFlushPeriod);
    bool regularise = false;
    for (size_t t = 0; t < part.samples; ++t) {
      scalars[t] = Scalars::Of(steps.scalars.data() + (s + t) * count, count);
      regularise = regularise || scalars[t].Regularise();
    }
    if (regularise) {
      StepRows<R, true>(scalars, part, targets);
    } else {
      StepRows<R, false>(scalars, part, targets);
    }
    if (IsFlushStep(steps.first + s + part.samples - 1)) FlushState<R>(targets);
  }
}

void RunProduct(const float* weights, size_t rows, size_t columns,
                const NextProduct& next) {
  const hn::ScalableTag<float> all;
  const hn::CappedTag<float, 4> four;
  const hn::CappedTag<float, 1> one;
  for (size_t i = 0; i < rows; ++i) {
    const float* w = weights + i * columns;
    float* z = next.z + i;
    *z = 0;
    size_t j = Product(all, w, next.x, columns, 0, z);
    j = Product(four, w, next.x, columns, j, z);
    Product(one, w, next.x, columns, j, z);
  }
}

void RunPass(const PassSteps& step, const Factors& factors,
             const PassTargets& targets) {
  const Scalars scalars = Scalars::Of(step.scalars.data(), step.scalars.size());
  ForRule(step.rule, [&](auto r) HWY_ATTR {
    if (scalars.Regularise()) {
      PassRows<decltype(r), true>(scalars, factors, targets);
    } else {
      PassRows<decltype(r), false>(scalars, factors, targets);
    }
    if (IsFlushStep(step.first)) FlushState<decltype(r)>(targets);
  });
}

void RunSteps(const PassSteps& steps, const Factors& factors,
              const PassTargets& targets) {
  if (factors.samples == 0) return;
  ForRule(steps.rule, [&](auto r) HWY_ATTR {
    StepMatrix<decltype(r)>(steps, factors, targets);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(RunPass);
HWY_EXPORT(RunProduct);
HWY_EXPORT(RunSteps);

void RunPass(const PassSteps& step, const Factors& factors,
             const PassTargets& targets) {
  HWY_DYNAMIC_DISPATCH(RunPass)(step, factors, targets);
}

void RunProduct(const float* weights, size_t rows, size_t columns,
                const NextProduct& next) {
  HWY_DYNAMIC_DISPATCH(RunProduct)(weights, rows, columns, next);
}

void RunSteps(const PassSteps& steps, const Factors& factors,
              const PassTargets& targets) {
  HWY_DYNAMIC_DISPATCH(RunSteps)(steps, factors, targets);
}

void GradientToDelta(const PassSteps& step, const WeightRun& run,
                     std::span<float> g) {
  PassTargets targets{1, g.size(), run.weights.data()};
  for (size_t i = 0; i < kMostStates; ++i) {
    targets.state[i] = run.state[i].data();
  }
  targets.delta = g.data();
  targets.add = false;
  RunPass(step, AsFactors(g.data()), targets);
}

}  // namespace backprop
#endif  // HWY_ONCE
