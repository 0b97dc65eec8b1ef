// SPDX-License-Identifier: Apache-2.0
//
// Views of numbers that lie one row a sample, which is how every kernel takes
// what a layer sees, its pre-activations z, its error signals δ and its factors
// u. A view owns nothing: whoever has the memory (usually a Scratch) keeps it
// alive. How many rows there are and how long they are is told beside it:
//
//   Rows a{inputs, 784};                       // (samples, 784) without gaps
//   a[2][5]                                    // number 5 of sample 2
//   Gram(a, {8, 16}, 784, gram, scratch);      // reads rows 0 … 15
//   Forward(a.From(8), 8, w, bias, z.From(8)); // reads and writes rows 8 … 15
#ifndef BACKPROP_ENGINE_KERNELS_ROWS_H_
#define BACKPROP_ENGINE_KERNELS_ROWS_H_

#include <cstddef>

namespace backprop {

// To be read. Row t begins at data + t·stride; what lies between the end of a
// row and the next one's begin is the owner's business.
struct Rows {
  const float* data;
  size_t stride;  // numbers from row to row

  const float* operator[](size_t row) const { return data + row * stride; }
  // The rows from `row` on.
  Rows From(size_t row) const { return {data + row * stride, stride}; }
  // The same rows without their first `column` numbers.
  Rows FromColumn(size_t column) const { return {data + column, stride}; }
};

// The same, to be written.
struct MutableRows {
  float* data;
  size_t stride;

  float* operator[](size_t row) const { return data + row * stride; }
  MutableRows From(size_t row) const { return {data + row * stride, stride}; }
  MutableRows FromColumn(size_t column) const {
    return {data + column, stride};
  }
  operator Rows() const { return {data, stride}; }  // NOLINT: it is a view too
};

// Rows begin … end − 1, where the rows are a block's samples.
struct Window {
  size_t begin;
  size_t end;

  size_t size() const { return end - begin; }
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_ROWS_H_
