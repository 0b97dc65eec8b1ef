// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/gram.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

struct Case {
  Window window;
  size_t size;
  size_t stride;  // of a
};

// Whole and broken vectors and tiles; more columns than are gone through at
// once; rows that lie at cache lines and others, which are repacked.
constexpr Case kCases[] = {{{0, 1}, 1, 1},      {{0, 5}, 17, 32},
                           {{3, 8}, 16, 16},    {{8, 16}, 40, 48},
                           {{0, 32}, 784, 784}, {{30, 33}, 100, 103},
                           {{1, 9}, 2100, 2112}};

TEST(GramTest, HoldsTheProductsOfSamplesWithThoseUpToThem) {
  for (const Case& at : kCases) {
    const std::vector<float> a =
        Random(7).Uniforms(at.window.end * at.stride, -1, 1);
    const Rows rows{a.data(), at.stride};
    OnEveryTarget([&] {
      Scratch memory;
      Scratch scratch;
      float* next = memory.Get(at.window.end * Padded(at.window.end));
      const MutableRows gram = TakeRows(at.window.end, at.window.end, &next);
      Gram(rows, at.window, at.size, gram, scratch);
      for (size_t t = at.window.begin; t < at.window.end; ++t) {
        for (size_t s = 0; s <= t; ++s) {
          double product = 0;
          for (size_t j = 0; j < at.size; ++j) {
            product += double{rows[t][j]} * rows[s][j];
          }
          ASSERT_NEAR(gram[t][s], product, 1e-6 * static_cast<double>(at.size))
              << t << " " << s << " of " << at.size;
        }
      }
    });
  }
}

}  // namespace
}  // namespace backprop::testing
