// SPDX-License-Identifier: Apache-2.0
//
// Uses everything that the installed library promises: the protocol, a
// replica, and a client (which finds nobody at its address).
#include <backprop/v1/training_service.pb.h>
#include <client/cpp/replica.h>
#include <client/cpp/training_client.h>

#include <cstdio>

int main() {
  backprop::v1::Session session;
  session.mutable_spec()->set_input_size(1);
  session.mutable_spec()->add_layers()->set_size(1);
  session.mutable_spec()->mutable_optimiser()->mutable_sgd();
  backprop::v1::Layout* layout = session.mutable_layout();
  layout->set_weight_count(2);
  layout->set_delta_row_length(2);
  layout->set_rule(backprop::v1::RULE_NONE);
  layout->set_factor_kind(backprop::v1::FACTOR_KIND_DELTA);
  backprop::v1::LayerLayout* layer = layout->add_layers();
  layer->set_inputs(1);
  layer->set_outputs(1);
  layer->set_bias_begin(1);
  layer->set_delta_form(backprop::v1::DELTA_FORM_DENSE);
  layer->set_delta_length(2);
  backprop::Anchor anchor;
  anchor.weights = {1.0F, 2.0F};
  auto replica = backprop::Replica::Create(session, anchor);
  if (!replica.ok()) return 1;

  backprop::TrainingClient client("127.0.0.1:1");
  const auto nobody = client.GetSession("x");
  if (!absl::IsUnavailable(nobody.status())) return 2;
  std::printf("digest %016llx\n",
              static_cast<unsigned long long>(replica->digest()));
  return 0;
}
