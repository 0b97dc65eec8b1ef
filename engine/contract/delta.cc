// SPDX-License-Identifier: Apache-2.0
#include "engine/contract/delta.h"

#include <cmath>

#include "engine/contract/factors.h"
#include "engine/contract/weight_pass.h"

namespace backprop {

void FlushSmall(std::span<float> factors) {
  for (float& factor : factors) {
    if (std::fabs(factor) < kSmallestFactor) factor = 0.0F;
  }
}

namespace {

// A matrix of the weight vector, with its part of each state vector.
PassTargets TargetsAt(const Layout& layout, std::span<float> weights,
                      std::span<float> state, size_t rows, size_t columns,
                      size_t begin) {
  PassTargets targets{rows, columns, weights.data() + begin, {}};
  for (size_t i = 0; i < layout.state_count(); ++i) {
    targets.state[i] = state.data() + i * layout.weight_count() + begin;
  }
  return targets;
}

// Layer k of each of the steps, which are of one sample.
Factors FactorsOfSteps(const Layout& layout, size_t k, const StepDelta& run,
                       size_t steps) {
  Factors factors = FactorsOf(layout, k, run.row, run.inputs);
  factors.u_stride = layout.delta_row_length();
  factors.a_stride = k == 0 ? layout.input_size() : layout.delta_row_length();
  factors.samples = steps;
  return factors;
}

}  // namespace

void ApplyDelta(const Layout& layout, const StepDelta& step,
                std::span<float> weights, std::span<float> state,
                std::span<float> delta, const NextProduct& next) {
  const PassSteps by{step.number, layout.rule(), step.scalars};
  const auto matrix = [&](size_t rows, size_t columns, size_t begin) {
    PassTargets targets =
        TargetsAt(layout, weights, state, rows, columns, begin);
    if (!delta.empty()) targets.delta = delta.data() + begin;
    return targets;
  };
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kDense) {  // the bias follows W in both
      RunPass(PassSteps::Plain(),
              AsFactors(step.row.data() + layer.delta_begin),
              matrix(1, layer.delta_length, layer.weights_begin));
      continue;
    }
    const Factors factors = FactorsOf(layout, k, step.row, step.inputs);
    PassTargets targets =
        matrix(layer.outputs, layer.inputs, layer.weights_begin);
    if (k == 0) targets.next = next;
    RunPass(by, factors, targets);
    RunPass(by, BiasFactors(factors),
            matrix(1, layer.outputs, layer.bias_begin));
  }
}

void ApplyDeltas(const Layout& layout, const StepDelta& run, size_t steps,
                 std::span<float> weights, std::span<float> state) {
  if (steps == 0) return;
  const size_t row = layout.delta_row_length();
  const size_t input_row = layout.batch_size() * layout.input_size();
  const size_t scalars = layout.scalar_count();
  if (layout.batch_size() > 1) {
    for (size_t t = 0; t < steps; ++t) {
      ApplyDelta(
          layout,
          {run.number + t, run.row.subspan(t * row, row),
           run.inputs.empty() ? run.inputs
                              : run.inputs.subspan(t * input_row, input_row),
           run.scalars.subspan(t * scalars, scalars)},
          weights, state);
    }
    return;
  }
  const PassSteps by{run.number, layout.rule(),
                     run.scalars.first(steps * scalars)};
  const auto matrix = [&](size_t rows, size_t columns, size_t begin) {
    return TargetsAt(layout, weights, state, rows, columns, begin);
  };
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    if (layer.form == DeltaForm::kDense) {
      // As the factors of one row: 1·D in each step.
      Factors factors = AsFactors(run.row.data() + layer.delta_begin);
      factors.a_stride = row;
      factors.samples = steps;
      RunSteps(PassSteps::Plain(), factors,
               matrix(1, layer.delta_length, layer.weights_begin));
      continue;
    }
    const Factors factors = FactorsOfSteps(layout, k, run, steps);
    RunSteps(by, factors,
             matrix(layer.outputs, layer.inputs, layer.weights_begin));
    RunSteps(by, BiasFactors(factors),
             matrix(1, layer.outputs, layer.bias_begin));
  }
}

}  // namespace backprop
