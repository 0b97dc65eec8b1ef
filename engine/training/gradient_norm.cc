// SPDX-License-Identifier: Apache-2.0
#include "engine/training/gradient_norm.h"

namespace backprop {
namespace {

// x·y. Eight sums at once, so that no addition waits for the one before it.
double Dot(const float* x, const float* y, size_t size) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= size; i += kSums) {
    for (size_t l = 0; l < kSums; ++l) {
      sums[l] += double{x[i + l]} * double{y[i + l]};
    }
  }
  double sum = 0;
  for (; i < size; ++i) sum += double{x[i]} * double{y[i]};
  for (const double part : sums) sum += part;
  return sum;
}

}  // namespace

double SquaredNorm(const Factors& factors, size_t rows, size_t columns) {
  double sum = 0;
  for (size_t s = 0; s < factors.samples; ++s) {
    for (size_t t = 0; t <= s; ++t) {
      const double product =
          Dot(factors.u + s * factors.u_stride,
              factors.u + t * factors.u_stride, rows) *
          (1 + Dot(factors.a + s * factors.a_stride,
                   factors.a + t * factors.a_stride, columns));
      sum += s == t ? product : 2 * product;  // (s, t) and (t, s)
    }
  }
  return sum < 0 ? 0 : sum;  // terms that cancel out may leave −1e−16
}

double SquaredNorm(std::span<const float> g) {
  return Dot(g.data(), g.data(), g.size());
}

}  // namespace backprop
