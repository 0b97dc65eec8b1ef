// SPDX-License-Identifier: Apache-2.0
#include "engine/delta.h"

#include <cmath>

#include "engine/factors.h"
#include "engine/weight_pass.h"

namespace backprop {

void FlushSmall(std::span<float> factors) {
  for (float& factor : factors) {
    if (std::fabs(factor) < kSmallestFactor) factor = 0.0F;
  }
}

void ApplyDelta(const Layout& layout, const Optimiser& optimiser,
                const StepDelta& step, std::span<float> weights,
                std::span<float> state, std::span<float> delta,
                const NextProduct& next) {
  const Rule rule = RuleOf(optimiser);
  const size_t states = StateCount(optimiser);
  const auto matrix = [&](size_t rows, size_t columns, size_t begin) {
    PassTargets targets{rows, columns, weights.data() + begin, {}};
    for (size_t i = 0; i < states; ++i) {
      targets.state[i] = state.data() + i * layout.weight_count() + begin;
    }
    if (!delta.empty()) targets.delta = delta.data() + begin;
    return targets;
  };
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kDense) {  // the bias follows W in both
      RunPass(Rule::kNone, {}, AsFactors(step.row.data() + layer.delta_begin),
              matrix(1, layer.delta_length, layer.weights_begin));
      continue;
    }
    const Factors factors = FactorsOf(layout, k, step.row, step.inputs);
    PassTargets targets =
        matrix(layer.outputs, layer.inputs, layer.weights_begin);
    if (k == 0) targets.next = next;
    RunPass(rule, step.scalars, factors, targets);
    RunPass(rule, step.scalars, BiasFactors(factors),
            matrix(1, layer.outputs, layer.bias_begin));
  }
}

}  // namespace backprop
