// SPDX-License-Identifier: Apache-2.0
//
// The parts of one sample's step through the direct layers, a layer at a time.
// Each reads and writes a DirectLayer, which is padded so that every load and
// store is of a whole vector. Compiled once for each kind of CPU.
#if defined(BACKPROP_ENGINE_TRAINING_DIRECT_STEP_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef BACKPROP_ENGINE_TRAINING_DIRECT_STEP_INL_H_
#undef BACKPROP_ENGINE_TRAINING_DIRECT_STEP_INL_H_
#else
#define BACKPROP_ENGINE_TRAINING_DIRECT_STEP_INL_H_
#endif

#include <algorithm>
#include <cstddef>

#include "engine/kernels/dot-inl.h"
#include "engine/kernels/factor-inl.h"
#include "engine/kernels/scratch.h"
#include "engine/network/activation-inl.h"
#include "engine/training/direct_layer.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {  // of direct_layers.cc alone

namespace hn = hwy::HWY_NAMESPACE;

// What makes a step refused: a factor so large, or NaN, that some |D| might
// exceed kLargestDelta. A shorter way to say yes than FactorBound
// (engine/kernels/magnitude.h): factors are compared while they are in
// registers, and the largest is never looked for. Its no is not the last word.
class FactorCheck {
 public:
  HWY_INLINE FactorCheck() {
    const auto zero = hn::Zero(Wide());
    good_ = hn::VecFromMask(Wide(), hn::Eq(zero, zero));
  }
  HWY_INLINE void See(hn::Vec<Wide> factor) {
    // Two factors that are no larger make no product above kLargestDelta.
    const auto good = hn::Le(hn::Abs(factor), hn::Set(Wide(), 0x1p48F));
    good_ = hn::And(good_, hn::VecFromMask(Wide(), good));
  }
  HWY_INLINE bool Passed() const {
    return hn::AllTrue(Wide(), hn::MaskFromVec(good_));
  }

 private:
  hn::Vec<Wide> good_;  // all bits set where it does
};

// Four rows' products with a, from row i on; 0 where there is no such row.
HWY_INLINE hn::Vec<Wide> FourDots(const DirectLayer& layer, size_t i) {
  const Wide d;
  hn::Vec<Wide> sum[4] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
  if (i >= layer.outputs) return sum[0];
  const float* const w = layer.w + i * layer.stride;
  for (size_t j = 0; j < layer.inputs; j += hn::Lanes(d)) {
    const auto a = hn::Load(d, layer.a + j);
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; ++r) {
      sum[r] = hn::MulAdd(a, hn::Load(d, w + r * layer.stride + j), sum[r]);
    }
  }
#if HWY_TARGET == HWY_SCALAR
  return sum[0];
#else
  return BlockSums(sum);
#endif
}

// W·a for one vector of rows, from row i on.
HWY_INLINE hn::Vec<Wide> Dots(const DirectLayer& layer, size_t i) {
#if HWY_TARGET == HWY_SCALAR
  return FourDots(layer, i);
#else
  constexpr size_t kBlocks = hn::MaxLanes(Wide()) / 4;
  const Wide d;
  if constexpr (kBlocks == 1) {
    return FourDots(layer, i);
  } else if constexpr (kBlocks == 2) {
    const auto p = FourDots(layer, i);
    const auto q = FourDots(layer, i + 4);
    return hn::OddEvenBlocks(hn::Add(q, hn::SwapAdjacentBlocks(q)),
                             hn::Add(p, hn::SwapAdjacentBlocks(p)));
  } else {
    // Rows 0…3 and 8…11 in p's halves, 4…7 and 12…15 in q's.
    const auto join = [d](auto low, auto high) HWY_ATTR {
      const auto sum = hn::Add(hn::ConcatLowerLower(d, high, low),
                               hn::ConcatUpperUpper(d, high, low));
      return hn::Add(sum, hn::SwapAdjacentBlocks(sum));
    };
    const auto p = join(FourDots(layer, i), FourDots(layer, i + 8));
    const auto q = join(FourDots(layer, i + 4), FourDots(layer, i + 12));
    return hn::OddEvenBlocks(q, p);
  }
#endif
}

// z ← W·a + bias; next ← f(z), flushed.
template <class F>
HWY_INLINE void ForwardWith(const DirectLayer& layer, const F& f) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  const size_t padded = Padded(layer.outputs);
  for (size_t i = 0; i < padded; i += n) {
    const auto z = hn::Add(Dots(layer, i), hn::Load(d, layer.bias + i));
    hn::Store(z, d, layer.z + i);
    auto a = Flushed(d, f(d, z));
    // In the register: a load of what lies in two stores waits for both.
    if (i + n > layer.outputs) {
      const size_t real = layer.outputs - std::min(i, layer.outputs);
      a = hn::IfThenElseZero(hn::FirstN(d, real), a);
    }
    hn::Store(a, d, layer.next + i);
  }
}

HWY_INLINE void ForwardLayer(const DirectLayer& layer) {
  WithActivation(*layer.spec,
                 [&layer](auto f) HWY_ATTR { ForwardWith(layer, f); });
}

// u ← scale·signal, flushed.
HWY_INLINE void MakeFactors(const DirectLayer& layer, float scale,
                            FactorCheck* check) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  for (size_t i = 0; i < layer.outputs; i += n) {
    const auto u =
        Flushed(d, hn::Mul(hn::Set(d, scale), hn::Load(d, layer.signal + i)));
    check->See(u);
    hn::Store(u, d, layer.u + i);
  }
  for (size_t j = 0; j < layer.inputs; j += n) {
    check->See(hn::Load(d, layer.a + j));
  }
}

// below ← Wᵀ·signal
HWY_INLINE void BackwardLayer(const DirectLayer& layer, float* below) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  for (size_t j = 0; j < layer.inputs; j += n) {
    auto even = hn::Zero(d);
    auto odd = hn::Zero(d);
    for (size_t i = 0; i < layer.outputs; i += 2) {  // rows come in fours
      const float* const w = layer.w + i * layer.stride + j;
      even = hn::MulAdd(hn::Set(d, layer.signal[i]), hn::Load(d, w), even);
      odd = hn::MulAdd(hn::Set(d, layer.signal[i + 1]),
                       hn::Load(d, w + layer.stride), odd);
    }
    hn::Store(hn::Add(even, odd), d, below + j);
  }
}

// signal ← signal ∘ f′(z)
HWY_INLINE void DeriveLayer(const DirectLayer& layer) {
  WithDerivative(*layer.spec, [&layer](auto f) HWY_ATTR {
    const Wide d;
    for (size_t i = 0; i < layer.outputs; i += hn::Lanes(d)) {
      const auto signal =
          f(d, hn::Load(d, layer.z + i), hn::Load(d, layer.next + i),
            hn::Load(d, layer.signal + i));
      hn::Store(signal, d, layer.signal + i);
    }
  });
}

// w ← fl(w + fl(u·a)): ApplyDelta (engine/contract/delta.h) for weights that
// are padded to whole vectors and stay in the first-level cache; hence no
// MulAdd.
HWY_INLINE void UpdateLayer(const DirectLayer& layer) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  for (size_t i = 0; i < layer.outputs; ++i) {
    const auto u = hn::Set(d, layer.u[i]);
    float* const w = layer.w + i * layer.stride;
    for (size_t j = 0; j < layer.inputs; j += n) {
      const auto g = hn::Mul(u, hn::Load(d, layer.a + j));
      hn::Store(hn::Add(hn::Load(d, w + j), g), d, w + j);
    }
  }
  for (size_t i = 0; i < layer.outputs; i += n) {
    hn::Store(hn::Add(hn::Load(d, layer.bias + i), hn::Load(d, layer.u + i)), d,
              layer.bias + i);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#endif  // BACKPROP_ENGINE_TRAINING_DIRECT_STEP_INL_H_
