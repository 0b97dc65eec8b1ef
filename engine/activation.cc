// SPDX-License-Identifier: Apache-2.0
#include "engine/activation.h"

#include <algorithm>

#include "engine/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "engine/elementary-inl.h"
#include "engine/vector_loop-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

// a_i = f(z_i)
template <class F>
HWY_INLINE void Map(const float* z, float* a, size_t size, F f) {
  ForEach(z, size, 0, [=](Vector part, size_t i, size_t n) HWY_ATTR {
    StoreFirst(f(Floats(), part), a + i, n);
  });
}

// signal_i ← f(x_i, signal_i), x being z or a.
template <class F>
HWY_INLINE void Scale(const float* x, float* signal, size_t size, F f) {
  ForEach(x, size, 0, [=](Vector part, size_t i, size_t n) HWY_ATTR {
    const Vector before = LoadFirst(signal + i, n, 0);
    StoreFirst(f(Floats(), part, before), signal + i, n);
  });
}

HWY_INLINE Vector One(Floats d) { return hn::Set(d, 1.0F); }

// Not IfNegativeThenElse: on SSSE3 Highway 1.0.3's looks at more than the sign.
HWY_INLINE hn::Mask<Floats> IsBelowZero(Vector z) {
  return hn::Lt(z, hn::Zero(Floats()));
}

// With e = e^−|z|: 1/(1 + e) for z ≥ 0, else e/(1 + e).
struct SigmoidOf {
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    const Vector e = Exp(d, hn::Neg(hn::Abs(z)));
    const Vector numerator = hn::IfThenElse(IsBelowZero(z), e, One(d));
    return KeepNan(z, hn::Div(numerator, hn::Add(One(d), e)));
  }
};

// With m = e^(−2|z|) − 1: tanh |z| = −m/(2 + m).
struct TanhOf {
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    const Vector m = Expm1(d, hn::Mul(hn::Abs(z), hn::Set(d, -2.0F)));
    const Vector size = hn::Div(hn::Neg(m), hn::Add(m, hn::Set(d, 2.0F)));
    return KeepNan(z, hn::CopySign(size, z));
  }
};

// Not a maximum, which might make 0 of NaN and hide a broken step.
struct ReluOf {
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    return hn::IfThenElse(IsBelowZero(z), hn::Zero(d), z);
  }
};

struct LeakyReluOf {
  float c;
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, hn::Mul(z, hn::Set(d, c)));
  }
};

struct EluOf {
  float c;
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    const Vector below =
        hn::Mul(Expm1(d, hn::Min(z, hn::Zero(d))), hn::Set(d, c));
    return KeepNan(z, hn::IfThenElse(hn::Gt(z, hn::Zero(d)), z, below));
  }
};

// Below −15 z·Φ(z) rounds to −0, and above 15 to z.
HWY_INLINE Normal<Floats> NormalAt(Floats d, Vector z) {
  return NormalTail(d, hn::Min(hn::Abs(z), hn::Set(d, 15.0F)));
}

HWY_INLINE Vector Phi(Floats d, Vector z, Vector tail) {
  return hn::IfThenElse(IsBelowZero(z), tail, hn::Sub(One(d), tail));
}

struct GeluOf {
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    const Vector phi = Phi(d, z, NormalAt(d, z).tail);
    // Not −∞·0.
    return KeepNan(z, hn::Mul(hn::Max(z, hn::Set(d, -15.0F)), phi));
  }
};

struct SoftplusOf {
  HWY_INLINE Vector operator()(Floats d, Vector z) const {
    const Vector rest = Log1p(d, Exp(d, hn::Neg(hn::Abs(z))));
    return KeepNan(z, hn::Add(hn::Max(z, hn::Zero(d)), rest));
  }
};

// Derivatives, times the signal.
struct SigmoidSignal {
  HWY_INLINE Vector operator()(Floats d, Vector a, Vector signal) const {
    return hn::Mul(signal, hn::Mul(a, hn::Sub(One(d), a)));
  }
};

struct TanhSignal {
  HWY_INLINE Vector operator()(Floats d, Vector a, Vector signal) const {
    return hn::Mul(signal, hn::NegMulAdd(a, a, One(d)));
  }
};

struct ReluSignal {
  HWY_INLINE Vector operator()(Floats d, Vector z, Vector signal) const {
    return hn::IfThenElseZero(hn::Gt(z, hn::Zero(d)), signal);
  }
};

struct LeakyReluSignal {
  float c;
  HWY_INLINE Vector operator()(Floats d, Vector z, Vector signal) const {
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), signal,
                          hn::Mul(signal, hn::Set(d, c)));
  }
};

struct EluSignal {
  float c;
  HWY_INLINE Vector operator()(Floats d, Vector z, Vector signal) const {
    const Vector slope =
        hn::Mul(Exp(d, hn::Min(z, hn::Zero(d))), hn::Set(d, c));
    return hn::IfThenElse(hn::Gt(z, hn::Zero(d)), signal,
                          hn::Mul(signal, slope));
  }
};

// f′(z) = Φ(z) + z·φ(z)
struct GeluSignal {
  HWY_INLINE Vector operator()(Floats d, Vector z, Vector signal) const {
    const Normal<Floats> normal = NormalAt(d, z);
    const Vector bounded =
        hn::Max(hn::Set(d, -15.0F), hn::Min(hn::Set(d, 15.0F), z));
    const Vector slope =
        hn::MulAdd(bounded, normal.density, Phi(d, z, normal.tail));
    return hn::Mul(signal, KeepNan(z, slope));
  }
};

struct SoftplusSignal {
  HWY_INLINE Vector operator()(Floats d, Vector z, Vector signal) const {
    return hn::Mul(signal, SigmoidOf()(d, z));
  }
};

void ActivateAll(const LayerSpec& layer, const float* z, float* a,
                 size_t size) {
  const float c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
      if (a != z) std::copy(z, z + size, a);
      return;
    case Activation::kSigmoid:
      return Map(z, a, size, SigmoidOf());
    case Activation::kTanh:
      return Map(z, a, size, TanhOf());
    case Activation::kRelu:
      return Map(z, a, size, ReluOf());
    case Activation::kSoftmax:
      return Softmax({z, size}, {a, size});
    case Activation::kLeakyRelu:
      return Map(z, a, size, LeakyReluOf{c});
    case Activation::kElu:
      return Map(z, a, size, EluOf{c});
    case Activation::kGelu:
      return Map(z, a, size, GeluOf());
    case Activation::kSoftplus:
      return Map(z, a, size, SoftplusOf());
  }
}

void MultiplyAll(const LayerSpec& layer, const float* z, const float* a,
                 float* signal, size_t size) {
  const float c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
    case Activation::kSoftmax:
      return;
    case Activation::kSigmoid:
      return Scale(a, signal, size, SigmoidSignal());
    case Activation::kTanh:
      return Scale(a, signal, size, TanhSignal());
    case Activation::kRelu:
      return Scale(z, signal, size, ReluSignal());
    case Activation::kLeakyRelu:
      return Scale(z, signal, size, LeakyReluSignal{c});
    case Activation::kElu:
      return Scale(z, signal, size, EluSignal{c});
    case Activation::kGelu:
      return Scale(z, signal, size, GeluSignal());
    case Activation::kSoftplus:
      return Scale(z, signal, size, SoftplusSignal());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(ActivateAll);
HWY_EXPORT(MultiplyAll);

void Activate(const LayerSpec& layer, std::span<const float> z,
              std::span<float> a) {
  HWY_DYNAMIC_DISPATCH(ActivateAll)(layer, z.data(), a.data(), z.size());
}

void MultiplyByDerivative(const LayerSpec& layer, std::span<const float> z,
                          std::span<const float> a, std::span<float> signal) {
  HWY_DYNAMIC_DISPATCH(MultiplyAll)
  (layer, z.data(), a.data(), signal.data(), signal.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
