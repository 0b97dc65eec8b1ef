// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/layer_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

struct Sizes {
  size_t samples;
  size_t rows;
  size_t cols;
};

// One call, tiles, and what is left over of them in each direction.
constexpr Sizes kSizes[] = {{1, 1, 1},       {8, 128, 784},  {17, 131, 785},
                            {33, 300, 500},  {9, 129, 4100}, {21, 257, 961},
                            {200, 150, 150}, {3, 700, 700},  {64, 10, 2000}};

// Rows with a gap behind each, which must be left alone.
constexpr size_t kGap = 3;
constexpr float kUntouched = -77;

struct Panels {
  explicit Panels(const Sizes& of) : sizes(of) {
    Random random(3);
    const auto fill = [&random](size_t count) {
      std::vector<float> numbers(count);
      for (float& number : numbers) number = random.Uniform(-1, 1);
      return numbers;
    };
    w = fill(sizes.rows * sizes.cols);
    bias = fill(sizes.rows);
    narrow = fill(sizes.samples * (sizes.rows + kGap));
    wide = fill(sizes.samples * (sizes.cols + kGap));
  }

  Matrix matrix() const { return {w.data(), sizes.rows, sizes.cols}; }
  size_t narrow_stride() const { return sizes.rows + kGap; }
  size_t wide_stride() const { return sizes.cols + kGap; }

  Sizes sizes;
  std::vector<float> w, bias;
  std::vector<float> narrow;  // (samples, rows)
  std::vector<float> wide;    // (samples, cols)
};

// A sum of so many products of numbers up to 1, in float32, against float64.
double Bound(size_t terms) {
  return 4 * std::sqrt(static_cast<double>(terms)) * 0x1p-24 *
         static_cast<double>(terms);
}

class LayerProductTest : public ::testing::TestWithParam<Sizes> {
 protected:
  LayerProductTest() : panels_(GetParam()) {}

  Panels panels_;
};

TEST_P(LayerProductTest, ForwardIsTheProductPlusBias) {
  const auto [samples, rows, cols] = GetParam();
  std::fill(panels_.narrow.begin(), panels_.narrow.end(), kUntouched);
  const MutableRows z{panels_.narrow.data(), panels_.narrow_stride()};
  const Rows a{panels_.wide.data(), panels_.wide_stride()};
  Forward(a, samples, panels_.matrix(), panels_.bias.data(), z);
  for (size_t t = 0; t < samples; ++t) {
    for (size_t i = 0; i < rows; ++i) {
      double sum = panels_.bias[i];
      for (size_t j = 0; j < cols; ++j) {
        sum += double{a[t][j]} * panels_.w[i * cols + j];
      }
      ASSERT_NEAR(z[t][i], sum, Bound(cols + 1))
          << "sample " << t << " row " << i;
    }
    for (size_t i = rows; i < rows + kGap; ++i) {
      ASSERT_EQ(z[t][i], kUntouched);
    }
  }
}

TEST_P(LayerProductTest, BackwardIsTheProductWithTheTranspose) {
  const auto [samples, rows, cols] = GetParam();
  std::fill(panels_.wide.begin(), panels_.wide.end(), kUntouched);
  const MutableRows below{panels_.wide.data(), panels_.wide_stride()};
  const Rows signal{panels_.narrow.data(), panels_.narrow_stride()};
  Backward(signal, samples, panels_.matrix(), below);
  for (size_t t = 0; t < samples; ++t) {
    std::vector<double> sums(cols);
    for (size_t i = 0; i < rows; ++i) {
      for (size_t j = 0; j < cols; ++j) {
        sums[j] += double{signal[t][i]} * panels_.w[i * cols + j];
      }
    }
    for (size_t j = 0; j < cols; ++j) {
      ASSERT_NEAR(below[t][j], sums[j], Bound(rows))
          << "sample " << t << " column " << j;
    }
    for (size_t j = cols; j < cols + kGap; ++j) {
      ASSERT_EQ(below[t][j], kUntouched);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, LayerProductTest, ::testing::ValuesIn(kSizes),
                         [](const auto& param) {
                           return std::to_string(param.param.samples) + "x" +
                                  std::to_string(param.param.rows) + "x" +
                                  std::to_string(param.param.cols);
                         });

}  // namespace
}  // namespace backprop::testing
