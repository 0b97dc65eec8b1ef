// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/magnitude.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/magnitude.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "engine/kernels/factor-inl.h"
#include "engine/kernels/vector_loop-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {
namespace {

float LargestVectors(const float* x, size_t size) {
  Magnitudes<Floats> magnitudes{Floats()};
  ForEach(x, size, 0,
          [&](Vector part, size_t, size_t) HWY_ATTR { magnitudes.See(part); });
  return magnitudes.Largest(Floats());
}

float DifferVectors(const float* x, const float* y, size_t size) {
  Magnitudes<Floats> magnitudes{Floats()};
  ForEach(x, size, 0, [&](Vector part, size_t i, size_t n) HWY_ATTR {
    magnitudes.See(hn::Sub(part, LoadFirst(y + i, n, 0)));
  });
  return magnitudes.Largest(Floats());
}

float ScaleVectors(float scale, const float* signal, float* u, size_t size) {
  const Floats d;
  Magnitudes<Floats> magnitudes(d);
  ForEach(signal, size, 0, [&](Vector part, size_t i, size_t n) HWY_ATTR {
    const Vector factor = Flushed(d, hn::Mul(hn::Set(d, scale), part));
    StoreFirst(factor, u + i, n);
    magnitudes.See(factor);
  });
  return magnitudes.Largest(d);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {
namespace {

HWY_EXPORT(LargestVectors);
HWY_EXPORT(DifferVectors);
HWY_EXPORT(ScaleVectors);

}  // namespace

float LargestMagnitude(const float* x, size_t size) {
  return HWY_DYNAMIC_DISPATCH(LargestVectors)(x, size);
}

double FactorBound(Rows u, size_t outputs, Rows a, size_t inputs,
                   size_t samples) {
  double bound = 0;
  for (size_t s = 0; s < samples; ++s) {
    bound += FactorBound(LargestMagnitude(u[s], outputs),
                         LargestMagnitude(a[s], inputs));
  }
  return bound * (1 + static_cast<double>(samples - 1) * 0x1p-23);
}

float LargestDifference(const float* x, const float* y, size_t size) {
  return HWY_DYNAMIC_DISPATCH(DifferVectors)(x, y, size);
}

float ScaleAndFlush(float scale, const float* signal, float* u, size_t size) {
  return HWY_DYNAMIC_DISPATCH(ScaleVectors)(scale, signal, u, size);
}

}  // namespace backprop
#endif  // HWY_ONCE
