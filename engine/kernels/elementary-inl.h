// SPDX-License-Identifier: Apache-2.0
//
// Elementary functions of vectors of floats, compiled once for each kind of
// CPU (Highway's foreach_target.h), outside include guards that would hold for
// all targets.
//
// All the activations need e^x for x ≤ 0 only, where nothing overflows.
// Accuracy is stated, and tested, at the functions in
// engine/network/activation.h. The polynomials are minimax fits (Remez) of the
// functions named.
#if defined(BACKPROP_ENGINE_KERNELS_ELEMENTARY_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_KERNELS_ELEMENTARY_INL_H_
#undef BACKPROP_ENGINE_KERNELS_ELEMENTARY_INL_H_
#else
#define BACKPROP_ENGINE_KERNELS_ELEMENTARY_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Not every CPU's minimum and maximum pass NaN on.
template <class V>
HWY_INLINE V KeepNan(V z, V result) {
  return hn::IfThenElse(hn::IsNaN(z), z, result);
}

// c0 + c1·x + c2·x² + …
template <class D, class V>
HWY_INLINE V Polynomial(D d, V, float c0) {
  return hn::Set(d, c0);
}
template <class D, class V, class... Rest>
HWY_INLINE V Polynomial(D d, V x, float c0, Rest... rest) {
  return hn::MulAdd(Polynomial(d, x, rest...), x, hn::Set(d, c0));
}

// e^x = 2^k · (1 + m), where |ln(1 + m)| ≤ ½·ln 2.
template <class D>
struct Reduced {
  hn::Vec<D> m;
  hn::Vec<hn::RebindToSigned<D>> k;
};

// high + low: x ≤ 0, in two parts if it is known that exactly.
// Below −104.5 it counts as −104.5, whose e^x rounds to 0.
template <class D, class V>
HWY_INLINE Reduced<D> Reduce(D d, V high, V low) {
  // In this order, x86's maximum keeps NaN.
  const V x = hn::Max(hn::Set(d, -104.5F), high);
  const auto k = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504F)));
  const V n = hn::ConvertTo(d, k);
  // ln 2 in two parts, the first with so few bits that its product is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375F), x);
  r = hn::Add(hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4F), r), low);
  const V tail =
      Polynomial(d, r, 0.5F, 0.166666672F, 0.0416663177F, 0.00833326858F,
                 0.00139434449F, 0.000199165486F);  // (e^r − 1 − r)/r²
  return {hn::MulAdd(hn::Mul(r, r), tail, r), k};
}

template <class D, class VI>
HWY_INLINE hn::Vec<D> PowerOfTwo(D d, VI k) {
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(k, hn::Set(di, 127))));
}

// e^(high + low), ≤ 0. Two factors, so that subnormal results are rounded once.
template <class D, class V>
HWY_INLINE V Exp(D d, V high, V low) {
  const Reduced<D> reduced = Reduce(d, high, low);
  const auto half = hn::ShiftRight<1>(reduced.k);
  const V scaled =
      hn::MulAdd(reduced.m, PowerOfTwo(d, half), PowerOfTwo(d, half));
  return hn::Mul(scaled, PowerOfTwo(d, hn::Sub(reduced.k, half)));
}

template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  return Exp(d, x, hn::Zero(d));
}

// e^x − 1, x ≤ 0.
template <class D, class V>
HWY_INLINE V Expm1(D d, V x) {
  // Below −40 the result is −1, and 2^k must not be subnormal.
  const Reduced<D> reduced =
      Reduce(d, hn::Max(hn::Set(d, -40.0F), x), hn::Zero(d));
  const V scale = PowerOfTwo(d, reduced.k);
  return hn::MulAdd(scale, reduced.m, hn::Sub(scale, hn::Set(d, 1.0F)));
}

// ln(1 + x), 0 ≤ x ≤ 1: 2·artanh(s), s = x/(2 + x).
template <class D, class V>
HWY_INLINE V Log1p(D d, V x) {
  const V s = hn::Div(x, hn::Add(x, hn::Set(d, 2.0F)));
  const V square = hn::Mul(s, s);
  const V tail = Polynomial(d, square, 0.666665792F, 0.40013364F, 0.28122437F,
                            0.274661571F);  // (2·artanh(s) − 2s)/s³
  return hn::MulAdd(hn::Mul(s, square), tail, hn::Add(s, s));
}

// The normal distribution's density, and its upper tail Φ(−t), at t ≥ 0.
template <class D>
struct Normal {
  hn::Vec<D> density;
  hn::Vec<D> tail;
};

// t² is taken apart, for e^(−t²/2) has t²/2 times the relative error of t².
template <class D, class V>
HWY_INLINE Normal<D> NormalTail(D d, V t) {
  const hn::RebindToUnsigned<D> du;
  const V head =
      hn::BitCast(d, hn::And(hn::BitCast(du, t), hn::Set(du, 0xFFFFF000u)));
  const V high = hn::Mul(hn::Mul(head, head), hn::Set(d, -0.5F));  // exact
  const V low =
      hn::Mul(hn::Mul(hn::Sub(t, head), hn::Add(t, head)), hn::Set(d, -0.5F));
  const V e = Exp(d, high, low);
  // Φ(−t)·e^(t²/2)·(t + 4), a polynomial in u = (t − 4)/(t + 4) for t ≤ 15.
  const V v = hn::Div(hn::Set(d, 1.0F), hn::Add(t, hn::Set(d, 4.0F)));
  const V u = hn::Mul(hn::Sub(t, hn::Set(d, 4.0F)), v);
  const V mills =
      Polynomial(d, u, 0.755285144F, -0.607896566F, 0.387136906F, -0.186523661F,
                 0.0604034886F, -0.00752400467F, -0.00351021159F,
                 0.00156840833F, 0.000174660061F, -0.000134195885F);
  return {hn::Mul(e, hn::Set(d, 0.398942280F)), hn::Mul(e, hn::Mul(mills, v))};
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_KERNELS_ELEMENTARY_INL_H_
