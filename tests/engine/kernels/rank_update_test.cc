// SPDX-License-Identifier: Apache-2.0
//
// The delta contract's bits, with every instruction set that this machine has.
#include "engine/kernels/rank_update.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/engine/every_target.h"
#include "tests/engine/problem.h"

namespace backprop::testing {
namespace {

struct Sizes {
  size_t samples;
  size_t outputs;
  size_t inputs;
};

// Whole tiles, what is left over of them in each direction, and more columns
// than a panel has.
constexpr Sizes kSizes[] = {{1, 1, 1},     {3, 4, 16},   {5, 13, 37},
                            {8, 8, 96},    {32, 6, 100}, {32, 10, 784},
                            {33, 9, 1111}, {200, 5, 131}};

// A layer with its factors.
struct Case {
  explicit Case(const Sizes& of) : sizes(of) {
    Random random(7);
    const auto fill = [&random](size_t count, float limit) {
      std::vector<float> numbers(count);
      for (float& number : numbers) number = random.Uniform(-limit, limit);
      return numbers;
    };
    u = fill(sizes.samples * sizes.outputs, 0.01F);
    a = fill(sizes.samples * sizes.inputs, 1);
    // Of the order of what is added, so that no rounding of that is lost.
    w = fill(sizes.outputs * sizes.inputs, 0.02F);
    bias = fill(sizes.outputs, 0.02F);
    // −0 + 0·u must come out as the contract says, too.
    w.front() = -0.0F;
    a.front() = 0;
    d.resize(w.size() + bias.size());
  }

  LayerFactors factors() const {
    return {{u.data(), sizes.outputs},
            {a.data(), sizes.inputs},
            sizes.samples,
            sizes.outputs,
            sizes.inputs};
  }

  Sizes sizes;
  std::vector<float> u, a, w, bias, d;
};

// fl(u_i·a_j) of sample s; volatile, so that no compiler fuses it with a sum.
float Product(const Case& at, size_t s, size_t i, size_t j) {
  const volatile float product =
      at.u[s * at.sizes.outputs + i] * at.a[s * at.sizes.inputs + j];
  return product;
}

TEST(RankUpdateTest, StepsAreAddedOneAfterTheOther) {
  for (const Sizes& sizes : kSizes) {
    Case expected(sizes);
    for (size_t s = 0; s < sizes.samples; ++s) {
      for (size_t i = 0; i < sizes.outputs; ++i) {
        for (size_t j = 0; j < sizes.inputs; ++j) {
          expected.w[i * sizes.inputs + j] += Product(expected, s, i, j);
        }
        expected.bias[i] += expected.u[s * sizes.outputs + i];
      }
    }
    OnEveryTarget([&] {
      Case got(sizes);
      Scratch scratch;
      ApplySteps(got.factors(), got.w.data(), got.bias.data(), scratch);
      EXPECT_EQ(Bits(got.w), Bits(expected.w));
      EXPECT_EQ(Bits(got.bias), Bits(expected.bias));
    });
  }
}

TEST(RankUpdateTest, OneStepsSamplesAreSummedBeforeTheyAreAdded) {
  for (const Sizes& sizes : kSizes) {
    Case expected(sizes);
    for (size_t i = 0; i < sizes.outputs; ++i) {
      for (size_t j = 0; j < sizes.inputs; ++j) {
        float g = Product(expected, 0, i, j);
        for (size_t s = 1; s < sizes.samples; ++s) {
          g += Product(expected, s, i, j);
        }
        expected.w[i * sizes.inputs + j] += g;
      }
      float g = expected.u[i];
      for (size_t s = 1; s < sizes.samples; ++s) {
        g += expected.u[s * sizes.outputs + i];
      }
      expected.bias[i] += g;
    }
    OnEveryTarget([&] {
      Case got(sizes);
      Scratch scratch;
      ApplyOneStep(got.factors(), got.w.data(), got.bias.data(), scratch);
      EXPECT_EQ(Bits(got.w), Bits(expected.w));
      EXPECT_EQ(Bits(got.bias), Bits(expected.bias));
    });
  }
}

TEST(RankUpdateTest, ADenseDeltaIsWhatIsAdded) {
  for (const Sizes& sizes : kSizes) {
    OnEveryTarget([&] {
      const Case before(sizes);
      Case got(sizes);
      Scratch scratch;
      ApplyDense(got.factors(), got.d.data(), got.w.data(), got.bias.data(),
                 scratch);
      std::vector<float> w = before.w;
      std::vector<float> bias = before.bias;
      for (size_t i = 0; i < w.size(); ++i) w[i] += got.d[i];
      for (size_t i = 0; i < bias.size(); ++i) bias[i] += got.d[w.size() + i];
      EXPECT_EQ(Bits(got.w), Bits(w));
      EXPECT_EQ(Bits(got.bias), Bits(bias));
      for (size_t i = 0; i < sizes.outputs; ++i) {
        for (size_t j = 0; j < sizes.inputs; ++j) {
          double sum = 0;
          for (size_t s = 0; s < sizes.samples; ++s) {
            sum += double{before.u[s * sizes.outputs + i]} *
                   before.a[s * sizes.inputs + j];
          }
          ASSERT_NEAR(got.d[i * sizes.inputs + j], sum, 1e-6);
        }
      }
    });
  }
}

TEST(RankUpdateTest, NoSamplesChangeNothing) {
  Case got({4, 3, 5});
  const Case before({4, 3, 5});
  LayerFactors factors = got.factors();
  factors.samples = 0;
  Scratch scratch;
  ApplySteps(factors, got.w.data(), got.bias.data(), scratch);
  EXPECT_EQ(Bits(got.w), Bits(before.w));
  EXPECT_EQ(Bits(got.bias), Bits(before.bias));
}

}  // namespace
}  // namespace backprop::testing
