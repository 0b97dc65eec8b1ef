// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace backprop {
namespace {

constexpr size_t kMost = std::numeric_limits<size_t>::max();
constexpr DeltaForm F = DeltaForm::kFactored;
constexpr DeltaForm D = DeltaForm::kDense;

absl::StatusOr<Layout> Create(size_t input_size,
                              const std::vector<size_t>& sizes,
                              size_t batch_size = 1, size_t max_weights = kMost,
                              const std::vector<DeltaForm>& forms = {}) {
  return Layout::Create(input_size, sizes, batch_size, max_weights, forms);
}

TEST(LayoutTest, LayersFollowEachOtherMatrixBeforeBias) {
  const Layout layout = *Create(784, {128, 10});
  EXPECT_EQ(layout.input_size(), 784);
  EXPECT_EQ(layout.output_size(), 10);
  EXPECT_EQ(layout.batch_size(), 1);
  EXPECT_EQ(layout.weight_count(), 784 * 128 + 128 + 128 * 10 + 10);
  EXPECT_EQ(layout.delta_row_length(), 128 + 10 + 128) << "266 floats a step";
  ASSERT_EQ(layout.layers().size(), 2);
  EXPECT_EQ(layout.layers()[0], (LayerLayout{.inputs = 784,
                                             .outputs = 128,
                                             .weights_begin = 0,
                                             .bias_begin = 784 * 128,
                                             .form = F,
                                             .delta_begin = 0,
                                             .delta_length = 128}));
  EXPECT_EQ(layout.layers()[1],
            (LayerLayout{.inputs = 128,
                         .outputs = 10,
                         .weights_begin = 784 * 128 + 128,
                         .bias_begin = 784 * 128 + 128 + 1280,
                         .form = F,
                         .delta_begin = 128,
                         .delta_length = 10 + 128}));
}

TEST(LayoutTest, DeltaRowsHoldEachFormsPart) {
  const Layout layout = *Create(6, {5, 4, 3}, 2, kMost, {F, D, F});
  const auto& layers = layout.layers();
  ASSERT_EQ(layers.size(), 3);
  EXPECT_EQ(layers[0].delta_begin, 0);
  EXPECT_EQ(layers[0].delta_length, 2 * 5) << "u alone: inputs are known";
  EXPECT_EQ(layers[1].delta_begin, 10);
  EXPECT_EQ(layers[1].delta_length, 5 * 4 + 4) << "D, whatever the batch size";
  EXPECT_EQ(layers[2].delta_begin, 34);
  EXPECT_EQ(layers[2].delta_length, 2 * (3 + 4)) << "u and a";
  EXPECT_EQ(layout.delta_row_length(), 48);
  EXPECT_EQ(Create(6, {5}, 2, kMost, {D})->delta_row_length(), 35);
}

TEST(LayoutTest, DenseWhereFactorsAreNoFewerNumbers) {
  struct Case {
    size_t in, out, batch_size;
    DeltaForm form;
  };
  const Case cases[] = {
      {1, 1, 1, D},
      {2, 2, 1, D},
      {3, 2, 1, F},  // 5 < 6
      {3, 3, 1, F},  // 6 < 9
      {1, 40, 1, D},
      {40, 1, 1, D},
      {40, 2, 1, F},
      {3, 6, 2, D},  // 18 ≥ 18
      {4, 6, 2, F},  // 20 < 24
      {100, 100, 49, F},
      {100, 100, 50, D},  // 10,000 ≥ 10,000
      {784, 128, 1, F},
      {784, 128, 110, F},  // 100,320 < 100,352
      {784, 128, 111, D},
      {5, 7, kMost, D},  // B·(out + in) overflows
      {1000, 1000, kMost / 2, D},
  };
  for (const Case& entry : cases) {
    const absl::StatusOr<Layout> layout =
        Create(entry.in, {entry.out}, entry.batch_size);
    ASSERT_TRUE(layout.ok()) << layout.status();
    EXPECT_EQ(layout->layers()[0].form, entry.form)
        << entry.in << "-" << entry.out << ", batch " << entry.batch_size;
  }
}

TEST(LayoutTest, FormsAreChosenLayerByLayer) {
  const Layout layout = *Create(40, {40, 1, 40});
  EXPECT_EQ(layout.layers()[0].form, F);
  EXPECT_EQ(layout.layers()[1].form, D);
  EXPECT_EQ(layout.layers()[2].form, D);
}

TEST(LayoutTest, ZeroSizesAreInvalid) {
  const absl::StatusCode invalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(Create(0, {1}).status().code(), invalid);
  EXPECT_EQ(Create(1, {}).status().code(), invalid);
  EXPECT_EQ(Create(1, {0}).status().code(), invalid);
  EXPECT_EQ(Create(1, {2, 0, 2}).status().code(), invalid);
  EXPECT_EQ(Create(1, {1}, 0).status().code(), invalid);
}

TEST(LayoutTest, FormsAreOneALayer) {
  EXPECT_EQ(Create(4, {4, 4}, 1, kMost, {F}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LayoutTest, TheLimitItselfIsAllowed) {
  const size_t weights = 3 * 4 + 4 + 4 * 2 + 2;
  const absl::StatusOr<Layout> layout = Create(3, {4, 2}, 1, weights);
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->weight_count(), weights);
  EXPECT_EQ(Create(3, {4, 2}, 1, weights - 1).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Create(1, {1}, 1, 0).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(LayoutTest, ProductsThatOverflowAreRefused) {
  const size_t half = size_t{1} << 63;
  const size_t root = size_t{1} << 32;
  const std::vector<std::vector<size_t>> shapes = {
      {root, root},          // 2^64 weights: 0 if it wrapped
      {root + 1, root - 1},  // 2^64 − 1, and then the bias
      {half, 2},
      {2, half},
      {kMost, kMost},
      {1, kMost},
      {kMost, 1},
      {kMost / 2, 1},  // as many weights as fit, twice with the bias
      {3, kMost / 3, 1},
  };
  for (const std::vector<size_t>& shape : shapes) {
    const std::vector<size_t> sizes(shape.begin() + 1, shape.end());
    EXPECT_EQ(Create(shape[0], sizes).status().code(),
              absl::StatusCode::kResourceExhausted)
        << shape[0] << "-" << shape[1];
  }
}

TEST(LayoutTest, DeltaRowsThatOverflowAreRefused) {
  EXPECT_EQ(Create(8, {8}, kMost / 4, kMost, {F}).status().code(),
            absl::StatusCode::kResourceExhausted);
  // Each layer's part fits, their sum does not.
  EXPECT_EQ(Create(8, {8, 8}, kMost / 20, kMost, {F, F}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(LayoutTest, EqualLayersAreEqual) {
  EXPECT_EQ(Create(3, {4, 2})->layers(), Create(3, {4, 2})->layers());
  EXPECT_NE(Create(3, {4, 2})->layers(), Create(3, {4, 3})->layers());
}

}  // namespace
}  // namespace backprop
