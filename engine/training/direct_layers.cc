// SPDX-License-Identifier: Apache-2.0
#include "engine/training/direct_layers.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/kernels/magnitude.h"
#include "engine/network/loss.h"
#include "engine/network/softmax.h"
#include "engine/training/delta_row.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/training/direct_layers.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/training/direct_step-inl.h"

#ifndef BACKPROP_ENGINE_DIRECT_LAYERS_ONCE_
#define BACKPROP_ENGINE_DIRECT_LAYERS_ONCE_
namespace backprop {
namespace {

// Whether no |D| can exceed kLargestDelta, in full.
bool BoundHolds(std::span<const DirectLayer> layers) {
  return std::all_of(layers.begin(), layers.end(), [](const auto& layer) {
    return FactorBound(LargestMagnitude(layer.u, layer.outputs),
                       LargestMagnitude(layer.a, layer.inputs)) <=
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
  FactorCheck check;
  for (size_t k = depth; k-- > 0;) {
    const DirectLayer& layer = layers[k];
    MakeFactors(layer, -sample.rate, &check);
    if (k > 0) {
      BackwardLayer(layer, layers[k - 1].signal);
      DeriveLayer(layers[k - 1]);
    } else if (sample.below != nullptr) {
      BackwardLayer(layer, sample.below);
    }
  }
  if (!std::isfinite(*error)) return false;
  if (!check.Passed() && !BoundHolds(layers)) return false;
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
    WriteDelta(*training_->layout, first_ + k, {layer.u, 0}, {layer.a, 0},
               sample.row);
  }
  if (sample.output != nullptr) {
    std::copy_n(layers_.back().next, layers_.back().outputs, sample.output);
  }
  return true;
}

}  // namespace backprop
#endif  // HWY_ONCE
