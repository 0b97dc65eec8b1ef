// SPDX-License-Identifier: Apache-2.0
//
// Activations and their derivatives on vectors. Included once a Highway target.
//
// Accuracy: Highway's Exp is within 1 ulp and its Tanh within 4; the sigmoid
// adds two roundings. tests/engine/vector_activation_test.cc holds them to it.
#if defined(BACKPROP_ENGINE_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_ACTIVATION_INL_H_
#undef BACKPROP_ENGINE_ACTIVATION_INL_H_
#else
#define BACKPROP_ENGINE_ACTIVATION_INL_H_
#endif

#include <cstddef>

#include "engine/delta.h"
#include "engine/network.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

// 1/(1 + e^−z) by way of e^−|z|, which cannot overflow. NaN stays NaN, so that
// a broken step is seen.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V z) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0F);
  const V e = hn::Exp(d, hn::Neg(hn::Abs(z)));
  const V numerator = hn::IfThenElse(hn::Lt(z, hn::Zero(d)), e, one);
  const V a = hn::Div(numerator, hn::Add(one, e));
  return hn::IfThenElse(hn::Eq(z, z), a, z);
}

template <class D, class V>
HWY_INLINE V HyperbolicTangent(D d, V z) {
  namespace hn = hwy::HWY_NAMESPACE;
  return hn::IfThenElse(hn::Eq(z, z), hn::Tanh(d, z), z);
}

// f(z) of those activations that work on each number alone.
template <class D, class V>
HWY_INLINE V Activated(D d, Activation activation, V z) {
  namespace hn = hwy::HWY_NAMESPACE;
  switch (activation) {
    case Activation::kSigmoid:
      return Sigmoid(d, z);
    case Activation::kTanh:
      return HyperbolicTangent(d, z);
    case Activation::kRelu:  // lets NaN pass
      return hn::IfThenElse(hn::Lt(z, hn::Zero(d)), hn::Zero(d), z);
    default:
      return z;
  }
}

// signal · f′(z), where a = f(z).
template <class D, class V>
HWY_INLINE V TimesDerivative(D d, Activation activation, V a, V signal) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0F);
  switch (activation) {
    case Activation::kSigmoid:
      return hn::Mul(signal, hn::Mul(a, hn::Sub(one, a)));
    case Activation::kTanh:
      return hn::Mul(signal, hn::Sub(one, hn::Mul(a, a)));
    case Activation::kRelu:
      return hn::IfThenElse(hn::Gt(a, hn::Zero(d)), signal, hn::Zero(d));
    default:
      return signal;
  }
}

// Entries below kSmallestFactor in magnitude become 0; NaN stays.
template <class D, class V>
HWY_INLINE V Flushed(D d, V factor) {
  namespace hn = hwy::HWY_NAMESPACE;
  const auto small = hn::Lt(hn::Abs(factor), hn::Set(d, kSmallestFactor));
  return hn::IfThenElse(small, hn::Zero(d), factor);
}

// Finds the largest magnitude of many vectors; NaN if any number is infinite or
// NaN.
template <class D>
class LargestOf {
 public:
  HWY_INLINE explicit LargestOf(D d)
      : largest_(hwy::HWY_NAMESPACE::Zero(d)), odd_(largest_) {}

  HWY_INLINE void See(hwy::HWY_NAMESPACE::Vec<D> v) {
    namespace hn = hwy::HWY_NAMESPACE;
    largest_ = hn::Max(largest_, hn::Abs(v));
    odd_ = hn::Add(odd_, hn::Sub(v, v));  // 0, or NaN
  }

  HWY_INLINE float Get(D d) const {
    namespace hn = hwy::HWY_NAMESPACE;
    return hn::GetLane(hn::MaxOfLanes(d, largest_)) +
           hn::GetLane(hn::SumOfLanes(d, odd_));
  }

 private:
  hwy::HWY_NAMESPACE::Vec<D> largest_;
  hwy::HWY_NAMESPACE::Vec<D> odd_;
};

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_ACTIVATION_INL_H_
