// SPDX-License-Identifier: Apache-2.0
#include "engine/training/training.h"

#include <algorithm>

namespace backprop {

bool IsPlainDescent(const Training& training) {
  const auto& layers = training.network->layers;
  return training.layout->is_plain() && training.optimiser->max_norm == 0 &&
         std::all_of(layers.begin(), layers.end(),
                     [](const LayerSpec& layer) { return layer.dropout == 0; });
}

TrainRun PartOf(const Training& training, const TrainRun& run, size_t first,
                size_t count) {
  const Layout& layout = *training.layout;
  const auto rows = [&](auto panel, size_t length) {
    return panel.empty() ? panel
                         : panel.subspan(first * length, count * length);
  };
  const size_t batch = layout.batch_size();
  return {.inputs = rows(run.inputs, batch * InputStride(layout)),
          .targets = rows(run.targets, batch * layout.output_size()),
          .sample_weights = rows(run.sample_weights, batch),
          .weights = run.weights,
          .state = run.state,
          .errors = rows(run.errors, 1),
          .deltas = rows(run.deltas, layout.delta_row_length()),
          .scalars = rows(run.scalars, layout.scalar_count()),
          .outputs = rows(run.outputs, batch * layout.output_size()),
          .gradient_norms = rows(run.gradient_norms, 1),
          .full_deltas = rows(run.full_deltas, layout.weight_count())};
}

}  // namespace backprop
