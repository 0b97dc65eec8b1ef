// SPDX-License-Identifier: Apache-2.0
#include "engine/random/orthogonal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/random/orthogonal.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// After foreach_target.h.
#include "hwy/highway.h"

#ifndef BACKPROP_ENGINE_ORTHOGONAL_PANEL_
#define BACKPROP_ENGINE_ORTHOGONAL_PANEL_
namespace backprop {
namespace {

// Partial sums of a scalar product, whatever the CPU.
constexpr size_t kLanes = 8;
// Vectors that one pass over an earlier one changes.
constexpr size_t kPanel = 4;

size_t RoundUp(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Numbers from one vector to the next. Not near a multiple of a page: CPUs take
// a load for dependent on stores at the same place in other pages.
size_t Stride(size_t length) {
  constexpr size_t kPage = 4096 / sizeof(double);
  constexpr size_t kApart = 9 * kLanes;
  const size_t stride = RoundUp(length, kLanes);
  const size_t beyond = stride % kPage;
  const bool near = beyond < kApart || beyond > kPage - kApart;
  return near && stride >= kPage - kApart ? stride + 2 * kApart : stride;
}

}  // namespace
}  // namespace backprop
#endif  // BACKPROP_ENGINE_ORTHOGONAL_PANEL_

HWY_BEFORE_NAMESPACE();
namespace backprop {
namespace HWY_NAMESPACE {

// GCC's and Clang's vectors have 8 lanes on every CPU.
using Lanes = double __attribute__((vector_size(kLanes * sizeof(double))));

HWY_INLINE void Load(const double* from, Lanes& to) {
  std::memcpy(&to, from, sizeof(to));
}

HWY_INLINE double SumOf(const Lanes& s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

double Dot(const double* x, const double* y, size_t n) {
  Lanes sums = {};
  for (size_t i = 0; i < n; i += kLanes) {
    Lanes a, b;
    Load(x + i, a);
    Load(y + i, b);
    sums += a * b;
  }
  return SumOf(sums);
}

// v ← v − c·x
void Subtract(double c, const double* x, double* v, size_t n) {
  for (size_t i = 0; i < n; ++i) v[i] -= c * x[i];
}

// For each of the panel's vectors v: v ← v − c·x; then c ← v·next.
void SubtractAndDot(double (&c)[kPanel], const double* x, const double* next,
                    double* v, size_t n) {
  Lanes sums[kPanel] = {};
  for (size_t i = 0; i < n; i += kLanes) {
    Lanes a, b;
    Load(x + i, a);
    Load(next + i, b);
    for (size_t t = 0; t < kPanel; ++t) {
      Lanes part;
      Load(v + t * n + i, part);
      part -= c[t] * a;
      std::memcpy(v + t * n + i, &part, sizeof(part));
      sums[t] += part * b;
    }
  }
  for (size_t t = 0; t < kPanel; ++t) c[t] = SumOf(sums[t]);
}

// Takes what lies along the first `done` vectors out of the panel v.
void Project(const double* vectors, size_t done, double* v, size_t n) {
  if (done == 0) return;
  double c[kPanel];
  for (size_t t = 0; t < kPanel; ++t) c[t] = Dot(v + t * n, vectors, n);
  for (size_t k = 0; k + 1 < done; ++k) {
    SubtractAndDot(c, vectors + k * n, vectors + (k + 1) * n, v, n);
  }
  for (size_t t = 0; t < kPanel; ++t) {
    Subtract(c[t], vectors + (done - 1) * n, v + t * n, n);
  }
}

// vectors: `count` (a multiple of kPanel) of n numbers (a multiple of kLanes).
void GramSchmidt(double* vectors, size_t count, size_t n) {
  for (size_t j = 0; j < count; j += kPanel) {
    double* panel = vectors + j * n;
    Project(vectors, j, panel, n);
    for (size_t t = 0; t < kPanel; ++t) {
      double* v = panel + t * n;
      const double length = std::sqrt(Dot(v, v, n));
      if (length == 0) continue;
      for (size_t i = 0; i < n; ++i) v[i] /= length;
      for (size_t after = t + 1; after < kPanel; ++after) {
        double* w = panel + after * n;
        Subtract(Dot(w, v, n), v, w, n);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace backprop
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace backprop {

HWY_EXPORT(GramSchmidt);

VectorSet::VectorSet(size_t count, size_t length)
    : count_(RoundUp(count, kPanel)),
      length_(length),
      stride_(Stride(length)),
      numbers_(hwy::AllocateAligned<double>(count_ * stride_)) {
  if (numbers_ == nullptr) throw std::bad_alloc();
  std::fill_n(numbers_.get(), count_ * stride_, 0.0);
}

void VectorSet::Orthonormalise() {
  HWY_DYNAMIC_DISPATCH(GramSchmidt)(numbers_.get(), count_, stride_);
}

}  // namespace backprop
#endif  // HWY_ONCE
