// SPDX-License-Identifier: Apache-2.0
#include "server/translation/network.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/translation/enum_table.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

constexpr float kLeakyReluScale = 0.01F;
constexpr float kEluScale = 1.0F;

constexpr std::array<EnumPair<v1::Activation, Activation>, 9> kActivations = {{
    {v1::ACTIVATION_IDENTITY, Activation::kIdentity},
    {v1::ACTIVATION_SIGMOID, Activation::kSigmoid},
    {v1::ACTIVATION_TANH, Activation::kTanh},
    {v1::ACTIVATION_RELU, Activation::kRelu},
    {v1::ACTIVATION_SOFTMAX, Activation::kSoftmax},
    {v1::ACTIVATION_LEAKY_RELU, Activation::kLeakyRelu},
    {v1::ACTIVATION_ELU, Activation::kElu},
    {v1::ACTIVATION_GELU, Activation::kGelu},
    {v1::ACTIVATION_SOFTPLUS, Activation::kSoftplus},
}};

constexpr std::array<EnumPair<v1::Loss, Loss>, 7> kLosses = {{
    {v1::LOSS_HALF_SQUARED_ERROR, Loss::kHalfSquaredError},
    {v1::LOSS_CROSS_ENTROPY, Loss::kCrossEntropy},
    {v1::LOSS_MEAN_SQUARED_ERROR, Loss::kMeanSquaredError},
    {v1::LOSS_MEAN_ABSOLUTE_ERROR, Loss::kMeanAbsoluteError},
    {v1::LOSS_HUBER, Loss::kHuber},
    {v1::LOSS_BINARY_CROSS_ENTROPY, Loss::kBinaryCrossEntropy},
    {v1::LOSS_POISSON, Loss::kPoisson},
}};

constexpr std::array<EnumPair<v1::DeltaForm, std::optional<DeltaForm>>, 3>
    kDeltaForms = {{
        {v1::DELTA_FORM_UNSPECIFIED, std::nullopt},
        {v1::DELTA_FORM_FACTORED, DeltaForm::kFactored},
        {v1::DELTA_FORM_DENSE, DeltaForm::kDense},
    }};

bool HasNegativeScale(Activation activation) {
  return activation == Activation::kLeakyRelu || activation == Activation::kElu;
}

float NegativeScale(const v1::Layer& layer, Activation activation,
                    const std::string& path, Violations& violations) {
  if (!HasNegativeScale(activation)) {
    if (layer.has_negative_scale()) {
      violations.push_back({path + ".negative_scale",
                            "is for LEAKY_RELU and ELU only: leave it out"});
    }
    return 0;
  }
  if (layer.has_negative_scale()) return layer.negative_scale();
  return activation == Activation::kElu ? kEluScale : kLeakyReluScale;
}

LayerSpec LayerFromProto(const v1::Layer& proto, const std::string& path,
                         Violations& violations) {
  LayerSpec layer;
  layer.size = proto.size();
  layer.activation = FromProto(kActivations, proto.activation(),
                               path + ".activation", "activation", violations);
  layer.negative_scale =
      NegativeScale(proto, layer.activation, path, violations);
  layer.dropout = proto.dropout();
  return layer;
}

}  // namespace

void NetworkFromProto(const v1::SessionSpec& proto, SessionSpec* spec,
                      Violations& violations) {
  if (proto.layers_size() > kMostLayers) {
    violations.push_back(
        {"spec.layers",
         absl::StrCat("holds ", proto.layers_size(),
                      " layers; must hold at most ", kMostLayers)});
    return;
  }
  NetworkSpec& network = spec->network;
  network.input_size = proto.input_size();
  for (int k = 0; k < proto.layers_size(); ++k) {
    const std::string path = absl::StrCat("spec.layers[", k, "]");
    network.layers.push_back(LayerFromProto(proto.layers(k), path, violations));
    spec->delta_forms.push_back(
        FromProto(kDeltaForms, proto.layers(k).delta_form(),
                  path + ".delta_form", "delta form", violations));
  }
  network.loss =
      FromProto(kLosses, proto.loss(), "spec.loss", "loss", violations);
  network.label_smoothing = proto.label_smoothing();
  network.class_weights.assign(proto.class_weights().begin(),
                               proto.class_weights().end());
  if (proto.huber_delta() != 0) network.huber_delta = proto.huber_delta();
  for (FieldViolation& violation : Validate(network)) {
    violation.field.insert(0, "spec.");
    violations.push_back(std::move(violation));
  }
}

void NetworkToProto(const NetworkSpec& network, const Layout& layout,
                    v1::SessionSpec* proto) {
  proto->set_input_size(static_cast<uint32_t>(network.input_size));
  for (size_t k = 0; k < network.layers.size(); ++k) {
    const LayerSpec& layer = network.layers[k];
    v1::Layer* const added = proto->add_layers();
    added->set_size(static_cast<uint32_t>(layer.size));
    added->set_activation(ToProto(kActivations, layer.activation));
    if (HasNegativeScale(layer.activation)) {
      added->set_negative_scale(layer.negative_scale);
    }
    added->set_dropout(layer.dropout);
    added->set_delta_form(
        ToProto(kDeltaForms, std::optional(layout.layers()[k].form)));
  }
  proto->set_loss(ToProto(kLosses, network.loss));
  proto->set_label_smoothing(network.label_smoothing);
  proto->mutable_class_weights()->Add(network.class_weights.begin(),
                                      network.class_weights.end());
  if (network.loss == Loss::kHuber) {
    proto->set_huber_delta(network.huber_delta);
  }
}

void LayoutToProto(const Layout& layout, v1::Layout* proto) {
  for (const LayerLayout& layer : layout.layers()) {
    v1::LayerLayout* const added = proto->add_layers();
    added->set_inputs(static_cast<uint32_t>(layer.inputs));
    added->set_outputs(static_cast<uint32_t>(layer.outputs));
    added->set_weights_begin(layer.weights_begin);
    added->set_bias_begin(layer.bias_begin);
    added->set_delta_form(ToProto(kDeltaForms, std::optional(layer.form)));
    added->set_delta_begin(layer.delta_begin);
    added->set_delta_length(layer.delta_length);
  }
  proto->set_weight_count(layout.weight_count());
  proto->set_delta_row_length(layout.delta_row_length());
  proto->set_rule(static_cast<v1::Rule>(layout.rule()));
  proto->set_factor_kind(layout.is_plain() ? v1::FACTOR_KIND_DELTA
                                           : v1::FACTOR_KIND_GRADIENT);
  proto->set_scalar_count(static_cast<uint32_t>(layout.scalar_count()));
  proto->set_state_count(static_cast<uint32_t>(layout.state_count()));
}

}  // namespace backprop
