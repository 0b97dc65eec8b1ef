// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/row_sum.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What c and x add to y^t_j from samples before `terms` on.
double Sum(const float* c, Rows x, size_t terms, size_t j) {
  double sum = 0;
  for (size_t s = 0; s < terms; ++s) sum += double{c[s]} * x[s][j];
  return sum;
}

TEST(RowSumTest, EarlierSamplesAreAddedAndNoOthers) {
  for (const Window window : {Window{0, 1}, Window{0, 7}, Window{8, 17},
                              Window{5, 6}, Window{0, 32}}) {
    for (const size_t size : {1, 3, 16, 50, 131}) {
      const size_t n = window.end;
      std::vector<float> c = Random(5).Uniforms(n * n, -1, 1);
      for (size_t t = 0; t < n; ++t) {  // is not read
        for (size_t s = t; s < n; ++s) c[t * n + s] = kNan;
      }
      const std::vector<float> x = Random(6).Uniforms(n * size, -1, 1);
      const std::vector<float> before = Random(7).Uniforms(n * size, -1, 1);
      const Rows terms{x.data(), size};
      OnEveryTarget([&] {
        std::vector<float> y = before;
        Scratch scratch;
        AddEarlier({c.data(), n}, terms, window, size, {y.data(), size},
                   scratch);
        for (size_t t = 0; t < n; ++t) {
          const bool inside = t >= window.begin;
          for (size_t j = 0; j < size; ++j) {
            const double added = inside ? Sum(&c[t * n], terms, t, j) : 0;
            ASSERT_NEAR(y[t * size + j], before[t * size + j] + added, 1e-5)
                << t << " " << j;
          }
        }
      });
    }
  }
}

TEST(RowSumTest, OneSamplesSumHasTheTermsThatItIsGiven) {
  for (const size_t size : {1, 7, 16, 130, 300}) {
    for (const size_t terms : {0, 1, 9}) {
      const std::vector<float> c = Random(5).Uniforms(terms + 1, -1, 1);
      const std::vector<float> x =
          Random(6).Uniforms((terms + 1) * size, -1, 1);
      const Rows rows{x.data(), size};
      OnEveryTarget([&] {
        std::vector<float> y(size, 2);
        AddSum(c.data(), rows, terms, size, y.data());
        for (size_t j = 0; j < size; ++j) {
          ASSERT_NEAR(y[j], 2 + Sum(c.data(), rows, terms, j), 1e-5);
        }
      });
    }
  }
}

}  // namespace
}  // namespace backprop::testing
