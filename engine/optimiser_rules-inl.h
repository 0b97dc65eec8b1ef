// SPDX-License-Identifier: Apache-2.0
//
// The formulas of delta.proto (7) for a vector of weights; compiled once for
// each kind of CPU, as engine/weight_pass.cc. Only Add, Sub, Mul, Div and Sqrt
// do arithmetic here: never MulAdd, whose rounding depends on the CPU.
#if defined(BACKPROP_ENGINE_OPTIMISER_RULES_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_OPTIMISER_RULES_INL_H_
#undef BACKPROP_ENGINE_OPTIMISER_RULES_INL_H_
#else
#define BACKPROP_ENGINE_OPTIMISER_RULES_INL_H_
#endif

#include "engine/weight_pass.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr float kSmallestMoment = 0x1p-60F;   // of g and m
constexpr float kSmallestSquare = 0x1p-120F;  // of v, where it decays
constexpr float kSmallestDelta = 0x1p-100F;   // of D, where weights decay

// The scalar row; later names by the rule, see delta.proto (7).
struct Scalars {
  float rate = 0, l2 = 0, l1 = 0, decay = 0, clip = 0;
  float own[kMostScalars - kCommonScalars] = {};

  // Whether anything is to be done beside the rule itself.
  bool Regularise() const {
    return l2 != 0 || l1 != 0 || decay != 0 || clip != 0;
  }
};

// One row of the matrices.
struct Row {
  const float* u;  // of the first sample
  float* w;
  float* m;  // state vector 0
  float* v;  // state vector 1
  float* delta;
  float* z;  // of the next product
};

// x, but 0 where |x| < smallest: subnormal numbers cost 2 to 10 times as much.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Flushed(D d, V x, float smallest) {
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
    g = Flushed(d, g, kSmallestMoment);
  }
  if (scalars.l1 != 0) {
    const V signed_l1 = hn::CopySign(hn::Set(d, scalars.l1), w);
    g = hn::IfThenElse(hn::Eq(w, hn::Zero(d)), g, hn::Add(g, signed_l1));
  }
  return g;
}

// fl(fl(factor·state) + term), 0 where it is small, stored.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Decayed(D d, float factor, V term, float smallest, float* state) {
  const V sum = hn::Add(hn::Mul(hn::Set(d, factor), hn::LoadU(d, state)), term);
  const V next = Flushed(d, sum, smallest);
  hn::StoreU(next, d, state);
  return next;
}

// p of the columns from j on; moves the state on.
template <Rule rule, class D, class V = hn::Vec<D>>
HWY_INLINE V Direction(D d, const float* own, V g, const Row& row, size_t j) {
  const auto divide = [d](V by, V root_of, float epsilon) {
    return hn::Div(by, hn::Add(hn::Sqrt(root_of), hn::Set(d, epsilon)));
  };
  if constexpr (rule == Rule::kMomentum) {
    return Decayed(d, own[0], g, kSmallestMoment, row.m + j);
  } else if constexpr (rule == Rule::kNesterov) {
    const V next = Decayed(d, own[0], g, kSmallestMoment, row.m + j);
    return hn::Add(g, hn::Mul(hn::Set(d, own[0]), next));
  } else if constexpr (rule == Rule::kAdagrad) {
    const V sum = hn::Add(hn::LoadU(d, row.m + j), hn::Mul(g, g));
    hn::StoreU(sum, d, row.m + j);
    return divide(g, sum, own[0]);
  } else if constexpr (rule == Rule::kRmsProp) {
    const V term = hn::Mul(hn::Set(d, own[1]), hn::Mul(g, g));
    return divide(g, Decayed(d, own[0], term, kSmallestSquare, row.m + j),
                  own[2]);
  } else if constexpr (rule == Rule::kAdam) {
    const V first = Decayed(d, own[0], hn::Mul(hn::Set(d, own[1]), g),
                            kSmallestMoment, row.m + j);
    const V term = hn::Mul(hn::Set(d, own[3]), hn::Mul(g, g));
    return divide(first, Decayed(d, own[2], term, kSmallestSquare, row.v + j),
                  own[4]);
  } else {
    return g;
  }
}

// D of the columns from j on; moves the state on. regularise:
// scalars.Regularise(), known to the compiler.
template <Rule rule, bool regularise, class D, class V = hn::Vec<D>>
HWY_INLINE V Delta(D d, const Scalars& scalars, V g, const Row& row, size_t j) {
  if constexpr (rule == Rule::kNone) return g;
  if constexpr (regularise) {
    g = Regularised(d, scalars, g, hn::LoadU(d, row.w + j));
  }
  const V p = Direction<rule>(d, scalars.own, g, row, j);
  const V delta = hn::Mul(hn::Set(d, -scalars.rate), p);
  if constexpr (regularise) {
    if (scalars.decay == 0) return delta;
    const V decay = hn::Mul(hn::Set(d, scalars.decay), hn::LoadU(d, row.w + j));
    return Flushed(d, hn::Sub(delta, decay), kSmallestDelta);
  }
  return delta;
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // per target
