// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

TwinSession TwinSessionOf(const Layout& layout) {
  TwinSession session{.rule = TwinRuleOf(layout.rule()),
                      .batch_size = layout.batch_size()};
  for (const LayerLayout& layer : layout.layers()) {
    session.layers.push_back({.inputs = layer.inputs,
                              .outputs = layer.outputs,
                              .weights_begin = layer.weights_begin,
                              .bias_begin = layer.bias_begin,
                              .delta_begin = layer.delta_begin,
                              .dense = layer.form == DeltaForm::kDense});
  }
  return session;
}

}  // namespace

TwinRule TwinRuleOf(Rule rule) { return static_cast<TwinRule>(rule); }

std::vector<float> ApplyReferenceStep(const Layout& layout,
                                      const StepDelta& step,
                                      std::span<float> weights,
                                      std::span<float> state) {
  return TakeStep(TwinSessionOf(layout),
                  {.row = step.row,
                   .x = step.inputs,
                   .scalars = step.scalars,
                   .number = step.number},
                  weights, state);
}

}  // namespace backprop::testing
