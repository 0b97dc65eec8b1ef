// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/blas_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/kernels/blas.h"

namespace backprop {
namespace {

using blas::Op;

// How C ← op(A)·op(B) + beta·C is asked for.
struct Way {
  Op a;
  Op b;
  float beta;
};
// Forward, backward (layer_product.cc), gradient of a batch (step_row.cc).
constexpr Way kProductWays[] = {{Op::kAsIs, Op::kTransposed, 1},
                                {Op::kAsIs, Op::kAsIs, 0},
                                {Op::kAsIs, Op::kAsIs, 1},
                                {Op::kTransposed, Op::kAsIs, 0}};
// The same of one sample, A; W is B.
constexpr Way kVectorWays[] = {{Op::kAsIs, Op::kTransposed, 1},
                               {Op::kAsIs, Op::kAsIs, 0}};

// op(A) is (m, k), op(B) (k, n).
struct Shape {
  size_t m;
  size_t n;
  size_t k;
};
// Single rows and columns, what is left over of a kernel's tile in each
// direction, and three with more than blas::kSmallProduct multiplications, for
// which matrices are repacked; more columns or more terms than a block has.
constexpr Shape kProducts[] = {{2, 1, 3},     {7, 5, 19},    {17, 33, 1},
                               {31, 15, 63},  {9, 130, 35},  {101, 103, 97},
                               {37, 805, 41}, {33, 31, 1021}};
constexpr Shape kVectors[] = {
    {1, 1, 1}, {1, 7, 5}, {1, 33, 17}, {1, 805, 3}, {1, 19, 1021}};

// All numbers are whole, and no sum of theirs needs more than a float32's 24
// bits: whatever the order of the additions, a right result is exact.
constexpr int kLargestOfA = 31;
constexpr int kLargestOfB = 511;
constexpr size_t kMostTerms = 1021;
static_assert(kLargestOfA * kLargestOfB * (kMostTerms + 1) < size_t{1} << 24);
constexpr bool HasNoMoreTerms(const Shape& shape) {
  return shape.k <= kMostTerms;
}
static_assert(std::ranges::all_of(kProducts, HasNoMoreTerms));
static_assert(std::ranges::all_of(kVectors, HasNoMoreTerms));

// A matrix of rows that are not aligned, with a gap behind each.
class Grid {
 public:
  // Each number of the matrix is `value`.
  Grid(size_t rows, size_t cols, float value)
      : rows_(rows),
        cols_(cols),
        values_(kBefore + rows * stride(), kUntouched) {
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < cols; ++j) (*this)[i][j] = value;
    }
  }

  // Whole numbers of −largest … largest, drawn by ranqd1 (Numerical Recipes).
  static Grid Drawn(size_t rows, size_t cols, int largest) {
    Grid grid(rows, cols, 0);
    auto seed = static_cast<uint32_t>(rows + cols);
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < cols; ++j) {
        seed = seed * 1'664'525 + 1'013'904'223;
        const auto drawn = (seed >> 8) % static_cast<uint32_t>(2 * largest + 1);
        grid[i][j] = static_cast<float>(static_cast<int>(drawn) - largest);
      }
    }
    return grid;
  }

  void Add(float number) {
    for (size_t i = 0; i < rows_; ++i) {
      for (size_t j = 0; j < cols_; ++j) (*this)[i][j] += number;
    }
  }

  // As it has to lie, for op of it to be this one.
  Grid For(Op op) const {
    if (op == Op::kAsIs) return *this;
    Grid grid(cols_, rows_, 0);
    for (size_t i = 0; i < rows_; ++i) {
      for (size_t j = 0; j < cols_; ++j) grid[j][i] = (*this)[i][j];
    }
    return grid;
  }

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  size_t stride() const { return cols_ + kGap; }
  float* operator[](size_t i) { return &values_[kBefore + i * stride()]; }
  const float* operator[](size_t i) const {
    return &values_[kBefore + i * stride()];
  }
  // The gaps too.
  bool operator==(const Grid&) const = default;

 private:
  static constexpr size_t kBefore = 1;
  static constexpr size_t kGap = 3;
  static constexpr float kUntouched = 12'345;

  size_t rows_;
  size_t cols_;
  std::vector<float> values_;
};

// A·B in plain loops.
Grid Product(const Grid& a, const Grid& b) {
  Grid c(a.rows(), b.cols(), 0);
  for (size_t i = 0; i < a.rows(); ++i) {
    for (size_t p = 0; p < a.cols(); ++p) {
      const float factor = a[i][p];
      const float* const from = b[p];
      float* const to = c[i];
      for (size_t j = 0; j < b.cols(); ++j) to[j] += factor * from[j];
    }
  }
  return c;
}

// By gemv where A is one row.
void AskOpenBlas(const Shape& shape, const Way& way, const Grid& a,
                 const Grid& b, Grid& c) {
  const blas::Operand b_operand{b[0], b.stride(), way.b};
  if (shape.m > 1) {
    blas::Multiply(shape.m, shape.n, shape.k, 1, {a[0], a.stride(), way.a},
                   b_operand, way.beta, c[0], c.stride());
    return;
  }
  // A row times op(B) is op(B)ᵀ times that column.
  const Op turned = way.b == Op::kAsIs ? Op::kTransposed : Op::kAsIs;
  blas::MultiplyVector({b[0], b.stride(), turned}, b.rows(), b.cols(), a[0],
                       way.beta, c[0]);
}

// product: of a and b.
bool IsRight(const Shape& shape, const Way& way, const Grid& a, const Grid& b,
             const Grid& product) {
  // With beta 0 what lies in C must not count, whatever it is.
  const bool counts = way.beta != 0;
  Grid c(shape.m, shape.n,
         counts ? kLargestOfA : std::numeric_limits<float>::quiet_NaN());
  AskOpenBlas(shape, way, a.For(way.a), b.For(way.b), c);
  if (!counts) return c == product;
  Grid right = product;
  right.Add(kLargestOfA);
  return c == right;
}

std::string Described(const Shape& shape, const Way& way) {
  const auto matrix = [](size_t rows, size_t cols, Op op) {
    return absl::StrCat(rows, " x ", cols,
                        op == Op::kTransposed ? " transposed" : "");
  };
  return absl::StrCat(shape.m > 1 ? "sgemm" : "sgemv", " of ",
                      matrix(shape.m, shape.k, way.a), " by ",
                      matrix(shape.k, shape.n, way.b));
}

#if defined(__aarch64__)
constexpr char kKernelsToTry[] = "ARMV8";
#else
constexpr char kKernelsToTry[] = "Haswell or Nehalem";
#endif

absl::Status Wrong(const Shape& shape, const Way& way) {
  return absl::InternalError(absl::StrCat(
      std::string(blas::Version()), " computes wrongly with its kernels for ",
      std::string(blas::CoreName()), ": ", Described(shape, way),
      ". Others may be right: set the environment variable OPENBLAS_CORETYPE "
      "to another type of CPU (",
      kKernelsToTry, "), or build with another OpenBLAS"));
}

absl::Status Check(std::span<const Shape> shapes, std::span<const Way> ways) {
  for (const Shape& shape : shapes) {
    const Grid a = Grid::Drawn(shape.m, shape.k, kLargestOfA);
    const Grid b = Grid::Drawn(shape.k, shape.n, kLargestOfB);
    const Grid product = Product(a, b);
    for (const Way& way : ways) {
      if (!IsRight(shape, way, a, b, product)) return Wrong(shape, way);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckBlas() {
  absl::Status status = Check(kProducts, kProductWays);
  if (status.ok()) status = Check(kVectors, kVectorWays);
  return status;
}

}  // namespace backprop
