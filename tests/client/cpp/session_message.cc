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
  switch (optimiser.kind_case()) {
    case v1::Optimiser::kAdagrad:
      layout->set_rule(v1::RULE_ADAGRAD);
      layout->set_scalar_count(6);
      layout->set_state_count(1);
      break;
    case v1::Optimiser::kRmsProp:
      layout->set_rule(v1::RULE_RMS_PROP);
      layout->set_scalar_count(8);
      layout->set_state_count(1);
      break;
    case v1::Optimiser::kAdam:
      layout->set_rule(v1::RULE_ADAM);
      layout->set_scalar_count(10);
      layout->set_state_count(2);
      break;
    case v1::Optimiser::kLion:
      layout->set_rule(v1::RULE_LION);
      layout->set_scalar_count(9);
      layout->set_state_count(1);
      break;
    default:
      layout->set_rule(optimiser.sgd().momentum() == 0 ? v1::RULE_SGD
                       : optimiser.sgd().nesterov()    ? v1::RULE_NESTEROV
                                                       : v1::RULE_MOMENTUM);
      layout->set_scalar_count(6);
      layout->set_state_count(optimiser.sgd().momentum() == 0 ? 0 : 1);
  }
  return session;
}

std::string Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(float)};
}

}  // namespace backprop::testing
