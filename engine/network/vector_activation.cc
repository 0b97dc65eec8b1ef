// SPDX-License-Identifier: Apache-2.0
#include "engine/network/vector_activation.h"

#include <span>

#include "engine/network/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/network/vector_activation.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// After highway.h, once a target.
#include "engine/kernels/factor-inl.h"
#include "engine/network/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Lanes16 = hn::CappedTag<float, 16>;
using Lane1 = hn::CappedTag<float, 1>;

// Calls visit(d, i) for every whole vector and then for each number left over,
// and returns the largest magnitude of what visit returned.
template <class Visit>
HWY_INLINE float Visited(size_t size, const Visit& visit) {
  const Lanes16 d;
  const Lane1 d1;
  LargestOf<Lanes16> largest(d);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= size; i += hn::Lanes(d)) largest.See(visit(d, i));
  if (i == size) return largest.Get(d);
  LargestOf<Lane1> last(d1);
  last.See(hn::Set(d1, largest.Get(d)));
  for (; i < size; ++i) last.See(visit(d1, i));
  return last.Get(d1);
}

float ActivateVectors(const LayerSpec& layer, const float* z, float* a,
                      size_t size) {
  float largest = 0;
  WithActivation(layer, [=, &largest](auto f) HWY_ATTR {
    largest = Visited(size, [=](auto d, size_t i) HWY_ATTR {
      const auto value = Flushed(d, f(d, hn::LoadU(d, z + i)));
      hn::StoreU(value, d, a + i);
      return value;
    });
  });
  return largest;
}

float ScaleVectors(float scale, const float* signal, float* u, size_t size) {
  return Visited(size, [=](auto d, size_t i) HWY_ATTR {
    const auto value =
        Flushed(d, hn::Mul(hn::Set(d, scale), hn::LoadU(d, signal + i)));
    hn::StoreU(value, d, u + i);
    return value;
  });
}

float LargestVectors(const float* x, size_t size) {
  return Visited(
      size, [=](auto d, size_t i) HWY_ATTR { return hn::LoadU(d, x + i); });
}

float DifferVectors(const float* x, const float* y, size_t size) {
  return Visited(size, [=](auto d, size_t i) HWY_ATTR {
    return hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, y + i));
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(ActivateVectors);
HWY_EXPORT(ScaleVectors);
HWY_EXPORT(LargestVectors);
HWY_EXPORT(DifferVectors);

}  // namespace

float ActivateAndFlush(const LayerSpec& layer, const float* z, float* a,
                       size_t size) {
  if (layer.activation == Activation::kSoftmax) {
    Softmax({z, size}, {a, size});
    z = a;
  }
  return HWY_DYNAMIC_DISPATCH(ActivateVectors)(layer, z, a, size);
}

float ScaleAndFlush(float scale, const float* signal, float* u, size_t size) {
  return HWY_DYNAMIC_DISPATCH(ScaleVectors)(scale, signal, u, size);
}

float Largest(const float* x, size_t size) {
  return HWY_DYNAMIC_DISPATCH(LargestVectors)(x, size);
}

float LargestDifference(const float* x, const float* y, size_t size) {
  return HWY_DYNAMIC_DISPATCH(DifferVectors)(x, y, size);
}

}  // namespace backprop
#endif  // HWY_ONCE
