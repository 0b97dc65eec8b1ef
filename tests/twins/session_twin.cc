// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/session_twin.h"

#include <gtest/gtest.h>

namespace backprop::testing {
namespace {

TwinRule RuleOf(const v1::Session& session) {
  const v1::Optimiser& optimiser = session.spec().optimiser();
  switch (optimiser.kind_case()) {
    case v1::Optimiser::kSgd:
      if (session.layout().state_count() == 0) return TwinRule::kSgd;
      return optimiser.sgd().nesterov() ? TwinRule::kNesterov
                                        : TwinRule::kMomentum;
    case v1::Optimiser::kAdagrad:
      return TwinRule::kAdagrad;
    case v1::Optimiser::kRmsProp:
      return TwinRule::kRmsProp;
    case v1::Optimiser::kAdam:
      return TwinRule::kAdam;
    case v1::Optimiser::kLion:
      return TwinRule::kLion;
    case v1::Optimiser::KIND_NOT_SET:
      break;
  }
  ADD_FAILURE() << "an optimiser without a kind: "
                << optimiser.ShortDebugString();
  return TwinRule::kNone;
}

}  // namespace

TwinSession TwinSessionOf(const v1::Session& session) {
  const v1::Layout& layout = session.layout();
  TwinSession twin{.batch_size = session.spec().batch_size()};
  if (layout.factor_kind() != v1::FACTOR_KIND_DELTA) {
    twin.rule = RuleOf(session);
  }
  for (const v1::LayerLayout& layer : layout.layers()) {
    twin.layers.push_back(
        {.inputs = layer.inputs(),
         .outputs = layer.outputs(),
         .weights_begin = layer.weights_begin(),
         .bias_begin = layer.bias_begin(),
         .delta_begin = layer.delta_begin(),
         .dense = layer.delta_form() == v1::DELTA_FORM_DENSE});
  }
  return twin;
}

}  // namespace backprop::testing
