// SPDX-License-Identifier: Apache-2.0
#include "engine/training/direct_layers.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/kernels/magnitude.h"
#include "engine/network/loss.h"
#include "engine/network/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/training/direct_layers.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/dot-inl.h"
#include "engine/kernels/factor-inl.h"
#include "engine/network/activation-inl.h"

#ifndef BACKPROP_ENGINE_DIRECT_LAYERS_ONCE_
#define BACKPROP_ENGINE_DIRECT_LAYERS_ONCE_
namespace backprop {
namespace {

// Two factors that are no larger make no delta above kLargestDelta.
constexpr float kRootOfLargest = 0x1p48F;

// Whether no |D| can exceed kLargestDelta, in full.
bool BoundHolds(std::span<const DirectLayer> layers) {
  return std::all_of(layers.begin(), layers.end(), [](const auto& layer) {
    const double a = LargestMagnitude(layer.a, layer.inputs);
    return LargestMagnitude(layer.u, layer.outputs) * std::max(a, 1.0) <=
           kLargestDelta;
  });
}

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_DIRECT_LAYERS_ONCE_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// What makes a step refused: a factor so large, or NaN, that some |D| might
// exceed kLargestDelta. Seen at once, without finding the largest.
class Bound {
 public:
  HWY_INLINE Bound() {
    const auto zero = hn::Zero(Wide());
    good_ = hn::VecFromMask(Wide(), hn::Eq(zero, zero));
  }
  HWY_INLINE void See(hn::Vec<Wide> factor) {
    const auto good = hn::Le(hn::Abs(factor), hn::Set(Wide(), kRootOfLargest));
    good_ = hn::And(good_, hn::VecFromMask(Wide(), good));
  }
  HWY_INLINE bool Holds() const {
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
                            Bound* bound) {
  const Wide d;
  const size_t n = hn::Lanes(d);
  for (size_t i = 0; i < layer.outputs; i += n) {
    const auto u =
        Flushed(d, hn::Mul(hn::Set(d, scale), hn::Load(d, layer.signal + i)));
    bound->See(u);
    hn::Store(u, d, layer.u + i);
  }
  for (size_t j = 0; j < layer.inputs; j += n) {
    bound->See(hn::Load(d, layer.a + j));
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

// w ← fl(w + fl(u·a)): the delta contract, hence no MulAdd.
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

bool StepLayers(const Training& training, std::span<const DirectLayer> layers,
                const DirectSample& sample, float* error) {
  const size_t depth = layers.size();
  for (const DirectLayer& layer : layers) ForwardLayer(layer);
  const DirectLayer& last = layers.back();
  float* const outputs = last.next;
  if (last.spec->activation == Activation::kSoftmax) {
    Softmax({last.z, last.outputs}, {outputs, last.outputs});
    FlushSmall({outputs, last.outputs});
  }
  *error = static_cast<float>(ErrorAndSignal(*training.network,
                                             {{last.z, last.outputs},
                                              {outputs, last.outputs},
                                              {sample.target, last.outputs}},
                                             {last.signal, last.outputs},
                                             sample.weight));
  Bound bound;
  for (size_t k = depth; k-- > 0;) {
    const DirectLayer& layer = layers[k];
    MakeFactors(layer, -sample.rate, &bound);
    if (k > 0) {
      BackwardLayer(layer, layers[k - 1].signal);
      DeriveLayer(layers[k - 1]);
    } else if (sample.below != nullptr) {
      BackwardLayer(layer, sample.below);
    }
  }
  if (!std::isfinite(*error)) return false;
  if (!bound.Holds() && !BoundHolds(layers)) return false;
  for (const DirectLayer& layer : layers) UpdateLayer(layer);
  return true;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(StepLayers);

// Numbers of a layer's copy and buffers.
size_t NumbersOf(const LayerLayout& layer) {
  return RoundedUp(layer.outputs, 4) * Padded(layer.inputs) +
         5 * Padded(layer.outputs);
}

}  // namespace

void WriteFactors(const LayerLayout& layer, size_t k, const float* u,
                  const float* a, float* row) {
  float* part = row + layer.delta_begin;
  if (layer.form == DeltaForm::kDense) {
    for (size_t i = 0; i < layer.outputs; ++i) {
      for (size_t j = 0; j < layer.inputs; ++j) *part++ = u[i] * a[j];
    }
    std::copy_n(u, layer.outputs, part);
    return;
  }
  std::copy_n(u, layer.outputs, part);
  if (k > 0) std::copy_n(a, layer.inputs, part + layer.outputs);
}

void DirectLayers::Load(const Training& training, size_t first,
                        std::span<const float> weights) {
  training_ = &training;
  first_ = first;
  begin_ = training.layout->layers()[first].weights_begin;
  layers_.clear();
  const auto all = std::span(training.layout->layers()).subspan(first);
  size_t numbers = 0;
  for (const LayerLayout& layer : all) numbers += NumbersOf(layer);
  float* next = memory_.Get(numbers);
  std::fill_n(next, numbers, 0.0F);
  for (size_t k = 0; k < all.size(); ++k) {
    const LayerLayout& from = all[k];
    const size_t stride = Padded(from.inputs);
    const size_t padded = Padded(from.outputs);
    const float* const below = k == 0 ? nullptr : layers_.back().next;
    layers_.push_back(
        {&training.network->layers[first + k], from.inputs, from.outputs,
         stride, Take(RoundedUp(from.outputs, 4) * stride, &next),
         Take(padded, &next), Take(padded, &next), Take(padded, &next),
         Take(padded, &next), below, Take(padded, &next)});
    const DirectLayer& layer = layers_.back();
    const float* const w = weights.data() + from.weights_begin - begin_;
    for (size_t i = 0; i < from.outputs; ++i) {
      std::copy_n(w + i * from.inputs, from.inputs, layer.w + i * stride);
    }
    std::copy_n(weights.data() + from.bias_begin - begin_, from.outputs,
                layer.bias);
  }
}

void DirectLayers::Store(std::span<float> weights) const {
  for (size_t k = 0; k < layers_.size(); ++k) {
    const DirectLayer& layer = layers_[k];
    const LayerLayout& to = training_->layout->layers()[first_ + k];
    float* const w = weights.data() + to.weights_begin - begin_;
    for (size_t i = 0; i < to.outputs; ++i) {
      std::copy_n(layer.w + i * layer.stride, to.inputs, w + i * to.inputs);
    }
    std::copy_n(layer.bias, to.outputs,
                weights.data() + to.bias_begin - begin_);
  }
}

bool DirectLayers::Step(const DirectSample& sample, float* error) {
  layers_.front().a = sample.input;
  if (!HWY_DYNAMIC_DISPATCH(StepLayers)(*training_, layers_, sample, error)) {
    return false;
  }
  for (size_t k = 0; k < layers_.size(); ++k) {
    const DirectLayer& layer = layers_[k];
    WriteFactors(training_->layout->layers()[first_ + k], first_ + k, layer.u,
                 layer.a, sample.row);
  }
  if (sample.output != nullptr) {
    std::copy_n(layers_.back().next, layers_.back().outputs, sample.output);
  }
  return true;
}

}  // namespace backprop
#endif  // HWY_ONCE
