// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

TwinSession TwinSessionOf(const Layout& layout, const Optimiser& optimiser) {
  TwinSession session{.rule = TwinRuleOf(optimiser),
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

TwinRule TwinRuleOf(const Optimiser& optimiser) {
  if (FactorKindOf(optimiser) == FactorKind::kDelta) return TwinRule::kNone;
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      if (optimiser.momentum == 0) return TwinRule::kSgd;
      return optimiser.nesterov ? TwinRule::kNesterov : TwinRule::kMomentum;
    case OptimiserKind::kAdagrad:
      return TwinRule::kAdagrad;
    case OptimiserKind::kRmsProp:
      return TwinRule::kRmsProp;
    case OptimiserKind::kAdam:
      return TwinRule::kAdam;
  }
  return TwinRule::kNone;
}

std::vector<float> ApplyReferenceStep(const Layout& layout,
                                      const Optimiser& optimiser,
                                      const StepDelta& step,
                                      std::span<float> weights,
                                      std::span<float> state) {
  return TakeStep(TwinSessionOf(layout, optimiser),
                  {.row = step.row, .x = step.inputs, .scalars = step.scalars},
                  weights, state);
}

}  // namespace backprop::testing
