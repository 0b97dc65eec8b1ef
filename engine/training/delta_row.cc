// SPDX-License-Identifier: Apache-2.0
#include "engine/training/delta_row.h"

#include <algorithm>

namespace backprop {

void WriteDelta(const Layout& layout, size_t k, Rows u, Rows a, float* row) {
  const LayerLayout& layer = layout.layers()[k];
  float* part = row + layer.delta_begin;
  if (layer.form == DeltaForm::kDense) {
    for (size_t i = 0; i < layer.outputs; ++i) {
      for (size_t j = 0; j < layer.inputs; ++j) *part++ = u[0][i] * a[0][j];
    }
    std::copy_n(u[0], layer.outputs, part);
    return;
  }
  for (size_t s = 0; s < layout.batch_size(); ++s) {
    part = std::copy_n(u[s], layer.outputs, part);
    if (k > 0) part = std::copy_n(a[s], layer.inputs, part);
  }
}

}  // namespace backprop
