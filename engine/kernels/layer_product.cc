// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/layer_product.h"

#include <algorithm>

#include "engine/kernels/blas.h"
#include "engine/kernels/narrow_product.h"

namespace backprop {
namespace {

// How much of a product one call takes; see engine/README.md, "Products".
struct Tile {
  size_t samples;
  size_t rows;  // of W
  size_t cols;
};

// From so many samples on, a call earns back what repacking W costs it; below,
// W repacked for a few samples takes as long as the product.
constexpr size_t kManySamples = 192;

bool TakesWhole(size_t samples, Matrix w) {
  return !blas::TakesSmallAsTheyLie() ||
         samples * w.rows * w.cols <= blas::kSmallProduct ||
         samples >= kManySamples;
}

// The widest run of W's rows for which 8 samples are a small product.
Tile ForwardTile(size_t samples, Matrix w) {
  if (TakesWhole(samples, w)) return {samples, w.rows, w.cols};
  constexpr size_t kSamples = 8;
  constexpr size_t kMostCols = 4096;
  const size_t cols = std::min(w.cols, kMostCols);
  const size_t rows = std::min(blas::kSmallTransposed / kSamples,
                               blas::kSmallProduct / (kSamples * cols));
  return {kSamples, rows, cols};
}

// With more samples or weights, or shorter sums, OpenBLAS is as fast as the
// products of narrow_product.h (engine/README.md).
constexpr size_t kNarrowForward = 64;
constexpr size_t kColumnsASample = 8;
constexpr size_t kNarrowBackward = 16;
constexpr size_t kNarrowWeights = size_t{1} << 19;

bool IsNarrowForward(size_t samples, Matrix w) {
  return NarrowProductsPay() && samples <= kNarrowForward &&
         samples * kColumnsASample <= w.cols;
}

bool IsNarrowBackward(size_t samples, Matrix w) {
  return NarrowProductsPay() && samples <= kNarrowBackward &&
         w.rows * w.cols <= kNarrowWeights;
}

Tile BackwardTile(size_t samples, Matrix w) {
  if (TakesWhole(samples, w)) return {samples, w.rows, w.cols};
  return {.samples = 16, .rows = 128, .cols = 480};
}

}  // namespace

size_t FewestSamples() { return NarrowProductsPay() ? 4 : 8; }

void Forward(Rows a, size_t samples, Matrix w, const float* bias,
             MutableRows z) {
  for (size_t t = 0; t < samples; ++t) std::copy_n(bias, w.rows, z[t]);
  if (samples == 1) {
    blas::MultiplyVector({w.data, w.cols}, w.rows, w.cols, a[0], 1, z[0]);
    return;
  }
  if (IsNarrowForward(samples, w)) {
    AddNarrowForward(a, samples, {w.data, w.cols}, w.rows, w.cols, z);
    return;
  }
  const Tile tile = ForwardTile(samples, w);
  for (size_t i = 0; i < w.rows; i += tile.rows) {
    const size_t rows = std::min(tile.rows, w.rows - i);
    for (size_t j = 0; j < w.cols; j += tile.cols) {
      const size_t cols = std::min(tile.cols, w.cols - j);
      const blas::Operand part{w.data + i * w.cols + j, w.cols,
                               blas::Op::kTransposed};
      for (size_t t = 0; t < samples; t += tile.samples) {
        blas::Multiply(std::min(tile.samples, samples - t), rows, cols, 1,
                       {a[t] + j, a.stride}, part, 1, z[t] + i, z.stride);
      }
    }
  }
}

void Backward(Rows signal, size_t samples, Matrix w, MutableRows below) {
  BackwardColumns(signal, samples, w, 0, w.cols, below);
}

void BackwardColumns(Rows signal, size_t samples, Matrix w, size_t begin,
                     size_t end, MutableRows below) {
  if (samples == 1) {
    blas::MultiplyVector({w.data + begin, w.cols, blas::Op::kTransposed},
                         w.rows, end - begin, signal[0], 0, below[0] + begin);
    return;
  }
  if (IsNarrowBackward(samples, w)) {
    for (size_t t = 0; t < samples; ++t) {
      std::fill(below[t] + begin, below[t] + end, 0.0F);
    }
    AddNarrowBackward(signal, samples, {w.data + begin, w.cols}, w.rows,
                      end - begin, below.FromColumn(begin));
    return;
  }
  const Tile tile = BackwardTile(samples, w);
  for (size_t i = 0; i < w.rows; i += tile.rows) {
    const size_t rows = std::min(tile.rows, w.rows - i);
    const float kept = i == 0 ? 0.0F : 1.0F;
    for (size_t j = begin; j < end; j += tile.cols) {
      const size_t cols = std::min(tile.cols, end - j);
      const blas::Operand part{w.data + i * w.cols + j, w.cols};
      for (size_t t = 0; t < samples; t += tile.samples) {
        blas::Multiply(std::min(tile.samples, samples - t), cols, rows, 1,
                       {signal[t] + i, signal.stride}, part, kept, below[t] + j,
                       below.stride);
      }
    }
  }
}

}  // namespace backprop
