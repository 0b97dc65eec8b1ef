// SPDX-License-Identifier: Apache-2.0
#include "engine/network/activation.h"

#include "engine/network/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/network/activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "engine/kernels/factor-inl.h"
#include "engine/kernels/vector_loop-inl.h"
#include "engine/network/activation-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

void ActivateAll(const LayerSpec& layer, const float* z, float* a,
                 size_t size) {
  if (layer.activation == Activation::kSoftmax) {
    return Softmax({z, size}, {a, size});
  }
  WithActivation(layer, [=](auto f) HWY_ATTR {
    ForEach(z, size, 0, [=](Vector part, size_t i, size_t n) HWY_ATTR {
      StoreFirst(f(Floats(), part), a + i, n);
    });
  });
}

// Softmax apart: `a` has been made of z already.
float FlushAll(const LayerSpec& layer, const float* z, float* a, size_t size) {
  const Floats d;
  Magnitudes<Floats> magnitudes(d);
  WithActivation(layer, [=, &magnitudes](auto f) HWY_ATTR {
    ForEach(z, size, 0,
            [=, &magnitudes](Vector part, size_t i, size_t n) HWY_ATTR {
              const Vector value = Flushed(d, f(d, part));
              StoreFirst(value, a + i, n);
              magnitudes.See(KeepFirst(value, n));
            });
  });
  return magnitudes.Largest(d);
}

void MultiplyAll(const LayerSpec& layer, const float* z, const float* a,
                 float* signal, size_t size) {
  WithDerivative(layer, [=](auto f) HWY_ATTR {
    ForEach(z, size, 0, [=](Vector part, size_t i, size_t n) HWY_ATTR {
      const Vector activation = LoadFirst(a + i, n, 0);
      const Vector before = LoadFirst(signal + i, n, 0);
      StoreFirst(f(Floats(), part, activation, before), signal + i, n);
    });
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(ActivateAll);
HWY_EXPORT(FlushAll);
HWY_EXPORT(MultiplyAll);

}  // namespace

void Activate(const LayerSpec& layer, std::span<const float> z,
              std::span<float> a) {
  HWY_DYNAMIC_DISPATCH(ActivateAll)(layer, z.data(), a.data(), z.size());
}

float ActivateAndFlush(const LayerSpec& layer, const float* z, float* a,
                       size_t size) {
  if (layer.activation == Activation::kSoftmax) {
    Softmax({z, size}, {a, size});
    z = a;
  }
  return HWY_DYNAMIC_DISPATCH(FlushAll)(layer, z, a, size);
}

void MultiplyByDerivative(const LayerSpec& layer, std::span<const float> z,
                          std::span<const float> a, std::span<float> signal) {
  HWY_DYNAMIC_DISPATCH(MultiplyAll)
  (layer, z.data(), a.data(), signal.data(), signal.size());
}

}  // namespace backprop
#endif  // HWY_ONCE
