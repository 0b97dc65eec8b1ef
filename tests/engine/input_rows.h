// SPDX-License-Identifier: Apache-2.0
//
// Inputs that lie close together, laid out as a TrainRun wants them.
#ifndef BACKPROP_TESTS_ENGINE_INPUT_ROWS_H_
#define BACKPROP_TESTS_ENGINE_INPUT_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <span>

#include "engine/contract/layout.h"
#include "engine/kernels/scratch.h"
#include "engine/training/training.h"

namespace backprop::testing {

class InputRows {
 public:
  // inputs: (n, layout.input_size()).
  InputRows(const Layout& layout, std::span<const float> inputs) {
    const size_t size = layout.input_size();
    const size_t stride = InputStride(layout);
    const size_t n = inputs.size() / size;
    float* const rows = memory_.Get(n * stride);
    std::fill_n(rows, n * stride, 0.0F);
    for (size_t t = 0; t < n; ++t) {
      std::copy_n(inputs.data() + t * size, size, rows + t * stride);
    }
    rows_ = {rows, n * stride};
  }
  InputRows(const InputRows&) = delete;
  InputRows& operator=(const InputRows&) = delete;

  // (n, InputStride); lives as long as the object.
  std::span<const float> rows() const { return rows_; }

 private:
  Scratch memory_;
  std::span<const float> rows_;
};

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_INPUT_ROWS_H_
