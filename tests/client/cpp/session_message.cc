// SPDX-License-Identifier: Apache-2.0
#include "tests/client/cpp/session_message.h"

namespace backprop::testing {

v1::Session SessionMessage(uint32_t input_size,
                           const std::vector<uint32_t>& sizes,
                           uint32_t batch_size) {
  v1::Session session;
  session.set_session_id("s1");
  v1::SessionSpec* spec = session.mutable_spec();
  spec->set_input_size(input_size);
  spec->set_batch_size(batch_size);
  spec->mutable_input()->set_element_type(v1::ELEMENT_TYPE_FLOAT32);
  spec->mutable_input()->set_scale(1);
  v1::Layout* layout = session.mutable_layout();
  uint64_t weights = 0, row = 0, inputs = input_size;
  for (uint64_t outputs : sizes) {
    spec->add_layers()->set_size(static_cast<uint32_t>(outputs));
    v1::LayerLayout* layer = layout->add_layers();
    layer->set_inputs(static_cast<uint32_t>(inputs));
    layer->set_outputs(static_cast<uint32_t>(outputs));
    layer->set_weights_begin(weights);
    layer->set_bias_begin(weights + outputs * inputs);
    const bool dense = batch_size * (outputs + inputs) >= outputs * inputs;
    layer->set_delta_form(dense ? v1::DELTA_FORM_DENSE
                                : v1::DELTA_FORM_FACTORED);
    const bool first = layout->layers_size() == 1;
    const uint64_t length = dense
                                ? outputs * (inputs + 1)
                                : batch_size * (outputs + (first ? 0 : inputs));
    layer->set_delta_begin(row);
    layer->set_delta_length(length);
    weights += outputs * (inputs + 1);
    row += length;
    inputs = outputs;
  }
  layout->set_weight_count(weights);
  layout->set_delta_row_length(row);
  layout->set_factor_kind(v1::FACTOR_KIND_DELTA);
  layout->set_rule(v1::RULE_NONE);
  spec->mutable_optimiser()->set_learning_rate(0.5F);
  spec->mutable_optimiser()->mutable_sgd();
  return session;
}

v1::Session WithOptimiser(v1::Session session, const v1::Optimiser& optimiser) {
  *session.mutable_spec()->mutable_optimiser() = optimiser;
  v1::Layout* layout = session.mutable_layout();
  layout->set_factor_kind(v1::FACTOR_KIND_GRADIENT);
  const auto set = [&](v1::Rule rule, uint32_t scalars, uint32_t states) {
    layout->set_rule(rule);
    layout->set_scalar_count(scalars);
    layout->set_state_count(states);
  };
  switch (optimiser.kind_case()) {
    case v1::Optimiser::kAdagrad:
      set(v1::RULE_ADAGRAD, 6, 1);
      break;
    case v1::Optimiser::kRmsProp:
      set(v1::RULE_RMS_PROP, 8, 1);
      break;
    case v1::Optimiser::kAdam:
      set(v1::RULE_ADAM, 10, 2);
      break;
    case v1::Optimiser::kLion:
      set(v1::RULE_LION, 9, 1);
      break;
    default:
      if (optimiser.sgd().momentum() == 0) {
        set(v1::RULE_SGD, 6, 0);
      } else {
        set(optimiser.sgd().nesterov() ? v1::RULE_NESTEROV : v1::RULE_MOMENTUM,
            6, 1);
      }
  }
  return session;
}

v1::Session WithOptimiser(const v1::Session& session, const char* optimiser) {
  return WithOptimiser(session, Parsed<v1::Optimiser>(optimiser));
}

}  // namespace backprop::testing
