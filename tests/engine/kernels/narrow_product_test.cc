// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/narrow_product.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

// Every number of samples that makes groups of its own; rows and columns that
// are whole tiles and blocks, and that are not.
constexpr size_t kSamples[] = {2, 3, 4, 5, 6, 7, 8, 9, 17};
struct Shape2d {
  size_t rows;
  size_t cols;
};
constexpr Shape2d kWeights[] = {{1, 1},    {3, 7},    {12, 16},   {29, 100},
                                {33, 193}, {13, 515}, {40, 1030}, {67, 39}};

// Numbers behind each row, which are no part of it.
constexpr size_t kGap = 3;
constexpr float kBehind = 1e30F;
// Of sums of up to 1031 products of numbers up to 1.
constexpr double kRounding = 2e-4;

// Rows of random numbers with gaps between them.
struct Panel {
  Panel(uint32_t seed, size_t rows, size_t cols)
      : numbers(Random(seed).Uniforms(rows * (cols + kGap), -1, 1)),
        stride(cols + kGap) {
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = cols; j < stride; ++j) numbers[i * stride + j] = kBehind;
    }
  }
  Rows rows() const { return {numbers.data(), stride}; }

  std::vector<float> numbers;
  size_t stride;
};

// Calls check(samples, weights) for each of them on every target.
template <class Check>
void ForEachProduct(const Check& check) {
  for (const size_t samples : kSamples) {
    for (const Shape2d& weights : kWeights) {
      SCOPED_TRACE(std::to_string(samples) + "x" +
                   std::to_string(weights.rows) + "x" +
                   std::to_string(weights.cols));
      OnEveryTarget([&] { check(samples, weights); });
    }
  }
}

TEST(NarrowProductTest, ForwardAddsTheProduct) {
  ForEachProduct([](size_t samples, const Shape2d& weights) {
    const Panel a(5, samples, weights.cols);
    const Panel w(6, weights.rows, weights.cols);
    const Panel before(7, samples, weights.rows);
    Panel z = before;
    AddNarrowForward(a.rows(), samples, w.rows(), weights.rows, weights.cols,
                     {z.numbers.data(), z.stride});
    for (size_t t = 0; t < samples; ++t) {
      for (size_t i = 0; i < z.stride; ++i) {
        double sum = before.rows()[t][i];
        for (size_t j = 0; i < weights.rows && j < weights.cols; ++j) {
          sum += double{a.rows()[t][j]} * w.rows()[i][j];
        }
        ASSERT_NEAR(z.rows()[t][i], sum, kRounding) << t << " " << i;
      }
    }
  });
}

TEST(NarrowProductTest, BackwardAddsTheProductWithTheTranspose) {
  ForEachProduct([](size_t samples, const Shape2d& weights) {
    const Panel signal(5, samples, weights.rows);
    const Panel w(6, weights.rows, weights.cols);
    const Panel before(7, samples, weights.cols);
    Panel below = before;
    AddNarrowBackward(signal.rows(), samples, w.rows(), weights.rows,
                      weights.cols, {below.numbers.data(), below.stride});
    for (size_t t = 0; t < samples; ++t) {
      for (size_t j = 0; j < below.stride; ++j) {
        double sum = before.rows()[t][j];
        for (size_t i = 0; j < weights.cols && i < weights.rows; ++i) {
          sum += double{signal.rows()[t][i]} * w.rows()[i][j];
        }
        ASSERT_NEAR(below.rows()[t][j], sum, kRounding) << t << " " << j;
      }
    }
  });
}

}  // namespace
}  // namespace backprop::testing
