// SPDX-License-Identifier: Apache-2.0
//
// Activations and their derivatives on vectors; compiled once for each kind of
// CPU. Accuracy: see engine/network/activation.h.
#if defined(BACKPROP_ENGINE_NETWORK_ACTIVATION_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_NETWORK_ACTIVATION_INL_H_
#undef BACKPROP_ENGINE_NETWORK_ACTIVATION_INL_H_
#else
#define BACKPROP_ENGINE_NETWORK_ACTIVATION_INL_H_
#endif

#include "engine/kernels/elementary-inl.h"
#include "engine/network/network.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> One(D d) {
  return hn::Set(d, 1.0F);
}

template <class D, class V>
HWY_INLINE hn::Mask<D> IsBelowZero(D d, V z) {
  return hn::Lt(z, hn::Zero(d));
}

struct IdentityOf {
  template <class D, class V>
  HWY_INLINE V operator()(D, V z) const {
    return z;
  }
};

// With e = e^−|z|: 1/(1 + e) for z ≥ 0, else e/(1 + e).
struct SigmoidOf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    const V e = Exp(d, hn::Neg(hn::Abs(z)));
    const V numerator = hn::IfThenElse(IsBelowZero(d, z), e, One(d));
    return KeepNan(z, hn::Div(numerator, hn::Add(One(d), e)));
  }
};

// With m = e^(−2|z|) − 1: tanh |z| = −m/(2 + m).
struct TanhOf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    const V m = Expm1(d, hn::Mul(hn::Abs(z), hn::Set(d, -2.0F)));
    const V size = hn::Div(hn::Neg(m), hn::Add(m, hn::Set(d, 2.0F)));
    return KeepNan(z, hn::CopySign(size, z));
  }
};

// Not a maximum, which might make 0 of NaN and hide a broken step.
struct ReluOf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    return hn::IfThenElse(IsBelowZero(d, z), hn::Zero(d), z);
  }
};

struct LeakyReluOf {
  float c;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, hn::Mul(z, hn::Set(d, c)));
  }
};

struct EluOf {
  float c;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    const V below = hn::Mul(Expm1(d, hn::Min(z, hn::Zero(d))), hn::Set(d, c));
    return KeepNan(z, hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, below));
  }
};

// Below −15 z·Φ(z) rounds to −0, and above 15 to z.
template <class D, class V>
HWY_INLINE Normal<D> NormalAt(D d, V z) {
  return NormalTail(d, hn::Min(hn::Abs(z), hn::Set(d, 15.0F)));
}

template <class D, class V>
HWY_INLINE V Phi(D d, V z, V tail) {
  return hn::IfThenElse(IsBelowZero(d, z), tail, hn::Sub(One(d), tail));
}

struct GeluOf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    const V phi = Phi(d, z, NormalAt(d, z).tail);
    // Not −∞·0.
    return KeepNan(z, hn::Mul(hn::Max(z, hn::Set(d, -15.0F)), phi));
  }
};

struct SoftplusOf {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z) const {
    const V rest = Log1p(d, Exp(d, hn::Neg(hn::Abs(z))));
    return KeepNan(z, hn::Add(hn::Max(z, hn::Zero(d)), rest));
  }
};

// signal · f′(z), from z or a = f(z), whichever it takes less to get it from.
struct SigmoidSignal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V, V a, V signal) const {
    return hn::Mul(signal, hn::Mul(a, hn::Sub(One(d), a)));
  }
};

struct TanhSignal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V, V a, V signal) const {
    return hn::Mul(signal, hn::NegMulAdd(a, a, One(d)));
  }
};

struct ReluSignal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z, V, V signal) const {
    return hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), signal);
  }
};

struct LeakyReluSignal {
  float c;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z, V, V signal) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), signal,
                          hn::Mul(signal, hn::Set(d, c)));
  }
};

struct EluSignal {
  float c;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z, V, V signal) const {
    const V slope = hn::Mul(Exp(d, hn::Min(z, hn::Zero(d))), hn::Set(d, c));
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), signal,
                          hn::Mul(signal, slope));
  }
};

// f′(z) = Φ(z) + z·φ(z)
struct GeluSignal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z, V, V signal) const {
    const Normal<D> normal = NormalAt(d, z);
    const V bounded =
        hn::Max(hn::Set(d, -15.0F), hn::Min(hn::Set(d, 15.0F), z));
    const V slope = hn::MulAdd(bounded, normal.density, Phi(d, z, normal.tail));
    return hn::Mul(signal, KeepNan(z, slope));
  }
};

struct SoftplusSignal {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V z, V, V signal) const {
    return hn::Mul(signal, SigmoidOf()(d, z));
  }
};

// Calls visit(f) with f(d, z) = f(z), for all that work on each number alone.
template <class Visit>
HWY_INLINE void WithActivation(const LayerSpec& layer, const Visit& visit) {
  const float c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
    case Activation::kSoftmax:
      return visit(IdentityOf());
    case Activation::kSigmoid:
      return visit(SigmoidOf());
    case Activation::kTanh:
      return visit(TanhOf());
    case Activation::kRelu:
      return visit(ReluOf());
    case Activation::kLeakyRelu:
      return visit(LeakyReluOf{c});
    case Activation::kElu:
      return visit(EluOf{c});
    case Activation::kGelu:
      return visit(GeluOf());
    case Activation::kSoftplus:
      return visit(SoftplusOf());
  }
}

// Calls visit(f) with f(d, z, a, signal) = signal · f′(z), or not at all where
// f′ is 1 (identity) or the loss has it (softmax).
template <class Visit>
HWY_INLINE void WithDerivative(const LayerSpec& layer, const Visit& visit) {
  const float c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
    case Activation::kSoftmax:
      return;
    case Activation::kSigmoid:
      return visit(SigmoidSignal());
    case Activation::kTanh:
      return visit(TanhSignal());
    case Activation::kRelu:
      return visit(ReluSignal());
    case Activation::kLeakyRelu:
      return visit(LeakyReluSignal{c});
    case Activation::kElu:
      return visit(EluSignal{c});
    case Activation::kGelu:
      return visit(GeluSignal());
    case Activation::kSoftplus:
      return visit(SoftplusSignal());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_NETWORK_ACTIVATION_INL_H_
