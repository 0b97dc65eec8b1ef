// SPDX-License-Identifier: Apache-2.0
//
// Highway compiles what lies between HWY_BEFORE_NAMESPACE and
// HWY_AFTER_NAMESPACE once for each kind of CPU. What makes D and the weights
// is never MulAdd, whose rounding depends on the CPU.
#include "engine/weight_pass.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/weight_pass.cc"
// clang-format off: foreach_target.h must stand first
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// clang-format on
#include "engine/optimiser_rules-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// g for the columns from j on.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Gradient(D d, const Factors& factors, const Row& row, size_t j) {
  V g = hn::Mul(hn::Set(d, *row.u), hn::LoadU(d, factors.a + j));
  for (size_t s = 1; s < factors.samples; ++s) {
    const V u = hn::Set(d, row.u[s * factors.u_stride]);
    const V a = hn::LoadU(d, factors.a + s * factors.a_stride + j);
    g = hn::Add(g, hn::Mul(u, a));
  }
  return g;
}

template <class D, class V>
HWY_INLINE float Sum(D d, V v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

// Columns for the commonest pass of all: w ← fl(w + fl(u·a)) and nothing else.
template <class D>
HWY_INLINE size_t AddProduct(D d, const Factors& factors, size_t columns,
                             const Row& row, size_t j) {
  const auto u = hn::Set(d, *row.u);
  const size_t lanes = hn::Lanes(d);
  for (; j + lanes <= columns; j += lanes) {
    const auto delta = hn::Mul(u, hn::LoadU(d, factors.a + j));
    hn::StoreU(hn::Add(hn::LoadU(d, row.w + j), delta), d, row.w + j);
  }
  return j;
}

// The columns from j on that fill whole vectors of D; returns where it ended.
template <Rule rule, bool regularise, class D>
HWY_INLINE size_t Columns(D d, const Scalars& scalars, const Factors& factors,
                          const PassTargets& targets, const Row& row,
                          size_t j) {
  const float* x = targets.next.x;
  if (rule == Rule::kNone && factors.samples == 1 && row.delta == nullptr &&
      targets.add && x == nullptr) {
    return AddProduct(d, factors, targets.columns, row, j);
  }
  const size_t lanes = hn::Lanes(d);
  auto product = hn::Zero(d);
  for (; j + lanes <= targets.columns; j += lanes) {
    const auto g = Gradient(d, factors, row, j);
    const auto delta = Delta<rule, regularise>(d, scalars, g, row, j);
    if (row.delta != nullptr) hn::StoreU(delta, d, row.delta + j);
    if (!targets.add) continue;
    const auto w = hn::Add(hn::LoadU(d, row.w + j), delta);
    hn::StoreU(w, d, row.w + j);
    if (x != nullptr) product = hn::MulAdd(w, hn::LoadU(d, x + j), product);
  }
  if (x != nullptr) *row.z += Sum(d, product);
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
template <Rule rule, bool regularise>
void Rows(const Scalars scalars, const Factors factors,
          const PassTargets targets) {
  const hn::ScalableTag<float> all;
  const hn::CappedTag<float, 4> four;
  const hn::CappedTag<float, 1> one;
  const auto at = [](float* matrix, size_t begin) {
    return matrix == nullptr ? nullptr : matrix + begin;
  };
  for (size_t i = 0; i < targets.rows; ++i) {
    const size_t begin = i * targets.columns;
    const Row row{factors.u + i,
                  at(targets.weights, begin),
                  at(targets.state[0], begin),
                  at(targets.state[1], begin),
                  at(targets.delta, begin),
                  at(targets.next.z, i)};
    if (row.z != nullptr) *row.z = 0;
    size_t j =
        Columns<rule, regularise>(all, scalars, factors, targets, row, 0);
    j = Columns<rule, regularise>(four, scalars, factors, targets, row, j);
    Columns<rule, regularise>(one, scalars, factors, targets, row, j);
  }
}

template <Rule rule>
void Matrix(const Scalars& scalars, const Factors& factors,
            const PassTargets& targets) {
  if (scalars.Regularise()) {
    Rows<rule, true>(scalars, factors, targets);
  } else {
    Rows<rule, false>(scalars, factors, targets);
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

void RunPass(Rule rule, const float* scalar_row, size_t scalar_count,
             const Factors& factors, const PassTargets& targets) {
  Scalars scalars;
  if (rule != Rule::kNone) {
    scalars = {scalar_row[0], scalar_row[1], scalar_row[2], scalar_row[3],
               scalar_row[4]};
    for (size_t i = kCommonScalars; i < scalar_count; ++i) {
      scalars.own[i - kCommonScalars] = scalar_row[i];
    }
  }
  switch (rule) {
    case Rule::kNone:
      return Rows<Rule::kNone, false>(scalars, factors, targets);
    case Rule::kSgd:
      return Matrix<Rule::kSgd>(scalars, factors, targets);
    case Rule::kMomentum:
      return Matrix<Rule::kMomentum>(scalars, factors, targets);
    case Rule::kNesterov:
      return Matrix<Rule::kNesterov>(scalars, factors, targets);
    case Rule::kAdagrad:
      return Matrix<Rule::kAdagrad>(scalars, factors, targets);
    case Rule::kRmsProp:
      return Matrix<Rule::kRmsProp>(scalars, factors, targets);
    case Rule::kAdam:
      return Matrix<Rule::kAdam>(scalars, factors, targets);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(RunPass);
HWY_EXPORT(RunProduct);

void RunPass(Rule rule, std::span<const float> scalars, const Factors& factors,
             const PassTargets& targets) {
  HWY_DYNAMIC_DISPATCH(RunPass)
  (rule, scalars.data(), scalars.size(), factors, targets);
}

void RunProduct(const float* weights, size_t rows, size_t columns,
                const NextProduct& next) {
  HWY_DYNAMIC_DISPATCH(RunProduct)(weights, rows, columns, next);
}

}  // namespace backprop
#endif  // HWY_ONCE
