// SPDX-License-Identifier: Apache-2.0
//
// OpenBLAS, the one way to it. One thread a call: parallelism is across
// sessions. Matrices are row-major; sizes fit int (Layout::Create sees to it).
// Any thread. What it computes may differ in the last bits between CPU types.
#ifndef BACKPROP_ENGINE_KERNELS_BLAS_H_
#define BACKPROP_ENGINE_KERNELS_BLAS_H_

#include <cstddef>
#include <string_view>

namespace backprop::blas {

// BLAS's op(A): A as it lies, or its transpose.
enum class Op : bool { kAsIs, kTransposed };

// op(A) of a matrix A with `stride` numbers from row to row.
struct Operand {
  const float* data;
  size_t stride;
  Op op = Op::kAsIs;
};

// y ← op(A)·x + beta·y for A (rows, cols). x: (cols) and y: (rows), or with
// kTransposed x: (rows) and y: (cols).
void MultiplyVector(Operand a, size_t rows, size_t cols, const float* x,
                    float beta, float* y);

// C ← alpha·op(A)·op(B) + beta·C for op(A) (m, k), op(B) (k, n), C (m, n) with
// c_stride numbers from row to row.
void Multiply(size_t m, size_t n, size_t k, float alpha, Operand a, Operand b,
              float beta, float* c, size_t c_stride);

// OpenBLAS's version and how it was built, in its own words. For people.
std::string_view Config();

// Of that the version alone: "OpenBLAS 0.3.34".
std::string_view Version();

// The type of CPU whose kernels OpenBLAS has chosen at start-up: "SkylakeX".
// What products round to depends on it.
std::string_view CoreName();

// Some of OpenBLAS' kernels (those for AVX-512) take small products as they
// lie, where others repack both matrices first. Small is: m·n·k up to
// kSmallProduct and, with B transposed, m·n up to kSmallTransposed. Measured on
// 0.3.21. In the pinned 0.3.34 (sgemm_small_matrix_permit_SKYLAKEX) m·n may be
// up to 1200, from k = 32 on; 1024 is 8 samples × 128 rows, whole vectors, and
// stays. Its kernels for AVX2 (HASWELL, which AMD's Zen take too) permit none:
// there, on Zen 2, products in such pieces made the engine's rows 9 to 25 %
// slower than whole ones.
bool TakesSmallAsTheyLie();
inline constexpr size_t kSmallProduct = 1'000'000;
inline constexpr size_t kSmallTransposed = 1024;

}  // namespace backprop::blas

#endif  // BACKPROP_ENGINE_KERNELS_BLAS_H_
