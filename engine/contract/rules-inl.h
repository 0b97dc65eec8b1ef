// SPDX-License-Identifier: Apache-2.0
//
// The formulas of delta.proto (7) for a vector of weights; compiled once for
// each kind of CPU, as engine/contract/weight_pass.cc. Only Add, Sub, Mul, Div
// and Sqrt do arithmetic here: never MulAdd, whose rounding depends on the CPU.
#if defined(BACKPROP_ENGINE_CONTRACT_RULES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_CONTRACT_RULES_INL_H_
#undef BACKPROP_ENGINE_CONTRACT_RULES_INL_H_
#else
#define BACKPROP_ENGINE_CONTRACT_RULES_INL_H_
#endif

#include "engine/contract/rules.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr float kSmallestGradient = 0x1p-60F;  // of g, with l2
constexpr float kSmallestDelta = 0x1p-100F;    // of D, where weights decay

// The scalar row; later names by the rule, see delta.proto (7).
struct Scalars {
  float rate = 0, l2 = 0, l1 = 0, decay = 0, clip = 0;
  float own[Rules::kMostOwnScalars] = {};

  // row: a scalar row, `count` long; 0 with the rule None, which reads none.
  static Scalars Of(const float* row, size_t count) {
    Scalars scalars;
    if (count == 0) return scalars;
    scalars = {row[0], row[1], row[2], row[3], row[4]};
    for (size_t i = kCommonScalars; i < count; ++i) {
      scalars.own[i - kCommonScalars] = row[i];
    }
    return scalars;
  }

  // Whether anything is to be done beside the rule itself.
  bool Regularise() const {
    return l2 != 0 || l1 != 0 || decay != 0 || clip != 0;
  }
};

// A vector of each of the rule's state vectors, in order; what a rule doesn't
// have is not read.
static_assert(kMostStates == 2);
template <class V>
struct State {
  V first;
  V second;
};

// x, but 0 where |x| < smallest: subnormal numbers cost 2 to 10 times as much.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ZeroBelow(D d, V x, float smallest) {
  return hn::IfThenElseZero(hn::Ge(hn::Abs(x), hn::Set(d, smallest)), x);
}

// Clipping by value, l2, l1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Regularised(D d, const Scalars& scalars, V g, V w) {
  if (scalars.clip != 0) {
    const V clip = hn::Set(d, scalars.clip);
    g = hn::Min(hn::Max(g, hn::Neg(clip)), clip);
  }
  if (scalars.l2 != 0) {
    g = hn::Add(g, hn::Mul(hn::Set(d, scalars.l2), w));
    g = ZeroBelow(d, g, kSmallestGradient);
  }
  if (scalars.l1 != 0) {
    const V signed_l1 = hn::CopySign(hn::Set(d, scalars.l1), w);
    g = hn::IfThenElse(hn::Eq(w, hn::Zero(d)), g, hn::Add(g, signed_l1));
  }
  return g;
}

// fl(fl(factor·state) + term)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Decayed(D d, float factor, V state, V term) {
  return hn::Add(hn::Mul(hn::Set(d, factor), state), term);
}

// by / (√root_of + ε)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V OverRoot(D d, V by, V root_of, float epsilon) {
  return hn::Div(by, hn::Add(hn::Sqrt(root_of), hn::Set(d, epsilon)));
}

// fl(factor·fl(g·g))
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SquareShare(D d, float factor, V g) {
  return hn::Mul(hn::Set(d, factor), hn::Mul(g, g));
}

// p of each rule, from its own scalars and g; moves the state on.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Sgd, D, const float*, V g, State<V>&) {
  return g;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Momentum, D d, const float* own, V g,
                       State<V>& state) {
  state.first = Decayed(d, own[0], state.first, g);
  return state.first;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Nesterov, D d, const float* own, V g,
                       State<V>& state) {
  state.first = Decayed(d, own[0], state.first, g);
  return hn::Add(g, hn::Mul(hn::Set(d, own[0]), state.first));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Adagrad, D d, const float* own, V g,
                       State<V>& state) {
  state.first = hn::Add(state.first, hn::Mul(g, g));
  return OverRoot(d, g, state.first, own[0]);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::RmsProp, D d, const float* own, V g,
                       State<V>& state) {
  state.first = Decayed(d, own[0], state.first, SquareShare(d, own[1], g));
  return OverRoot(d, g, state.first, own[2]);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Adam, D d, const float* own, V g,
                       State<V>& state) {
  const V share = hn::Mul(hn::Set(d, own[1]), g);
  state.first = Decayed(d, own[0], state.first, share);
  state.second = Decayed(d, own[2], state.second, SquareShare(d, own[3], g));
  return OverRoot(d, state.first, state.second, own[4]);
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(rules::Lion, D d, const float* own, V g,
                       State<V>& state) {
  const V c = hn::Add(hn::Mul(hn::Set(d, own[0]), state.first),
                      hn::Mul(hn::Set(d, own[1]), g));
  const V share = hn::Mul(hn::Set(d, own[3]), g);
  state.first = Decayed(d, own[2], state.first, share);
  const V sign = hn::CopySign(hn::Set(d, 1.0F), c);
  return hn::IfThenElseZero(hn::Ne(c, hn::Zero(d)), sign);
}

// D of weights w with gradient g; moves the state on. regularise:
// scalars.Regularise(), known to the compiler.
template <class R, bool regularise, class D, class V = hn::Vec<D>>
HWY_INLINE V Delta(D d, const Scalars& scalars, V g, V w, State<V>& state) {
  if constexpr (R::kRule == rules::None::kRule) {
    return g;
  } else {
    if constexpr (regularise) g = Regularised(d, scalars, g, w);
    const V p = Direction(R(), d, scalars.own, g, state);
    const V delta = hn::Mul(hn::Set(d, -scalars.rate), p);
    if constexpr (regularise) {
      if (scalars.decay == 0) return delta;
      const V decay = hn::Mul(hn::Set(d, scalars.decay), w);
      return ZeroBelow(d, hn::Sub(delta, decay), kSmallestDelta);
    }
    return delta;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // per target
