// SPDX-License-Identifier: Apache-2.0
//
// Which networks there can be.
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/network/loss.h"
#include "engine/network/network.h"

namespace backprop {
namespace {

using Violations = std::vector<FieldViolation>;

bool HasNegativeScale(Activation activation) {
  return activation == Activation::kLeakyRelu || activation == Activation::kElu;
}

void CheckLayer(const LayerSpec& layer, const std::string& field, bool last,
                Violations& violations) {
  if (layer.size == 0) {
    violations.push_back({field + ".size", "must be at least 1"});
  }
  if (layer.activation == Activation::kSoftmax && !last) {
    violations.push_back(
        {field + ".activation", "softmax is for the last layer only"});
  }
  if (HasNegativeScale(layer.activation) &&
      !(std::isfinite(layer.negative_scale) && layer.negative_scale >= 0)) {
    violations.push_back({field + ".negative_scale",
                          absl::StrCat("is ", layer.negative_scale,
                                       "; must be finite and not negative")});
  }
  if (!(layer.dropout >= 0 && layer.dropout < 1)) {
    violations.push_back(
        {field + ".dropout",
         absl::StrCat("is ", layer.dropout,
                      "; must be at least 0 and less than 1")});
  } else if (layer.dropout != 0 && last) {
    violations.push_back({field + ".dropout",
                          "must be 0 in the last layer: nothing would be "
                          "left of a dropped output's error"});
  }
}

const char* NameOf(Activation fused) {
  return fused == Activation::kSoftmax ? "softmax" : "sigmoid";
}

// The last layer's activation must suit the loss.
void CheckOutput(Activation output, Loss loss, const std::string& field,
                 Violations& violations) {
  const LossTraits& traits = TraitsOf(loss);
  if (!traits.fused_with.has_value()) {
    if (output == Activation::kSoftmax) {
      violations.push_back(
          {field, "softmax needs cross-entropy as the loss: set loss"});
    }
  } else if (output != *traits.fused_with && output != Activation::kIdentity) {
    violations.push_back(
        {field, absl::StrCat("must be ", NameOf(*traits.fused_with),
                             " (outputs are probabilities) or identity "
                             "(outputs are logits) under ",
                             traits.name)});
  }
}

void CheckClassWeights(const NetworkSpec& network, Violations& violations) {
  const std::vector<float>& weights = network.class_weights;
  if (weights.empty()) return;
  if (!TraitsOf(network.loss).has_class_weights) {
    violations.push_back({"class_weights",
                          "are for cross-entropy and binary cross-entropy "
                          "only"});
    return;
  }
  if (weights.size() != network.output_size()) {
    violations.push_back(
        {"class_weights",
         absl::StrCat("holds ", weights.size(), " numbers; must hold one for ",
                      "each of the ", network.output_size(), " outputs")});
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    if (std::isfinite(weights[i]) && weights[i] >= 0) continue;
    violations.push_back(
        {absl::StrCat("class_weights[", i, "]"),
         absl::StrCat("is ", weights[i], "; must be finite and not negative")});
  }
}

void CheckLoss(const NetworkSpec& network, Violations& violations) {
  const float smoothing = network.label_smoothing;
  if (!(smoothing >= 0 && smoothing < 1)) {
    violations.push_back(
        {"label_smoothing",
         absl::StrCat("is ", smoothing,
                      "; must be at least 0 and less than 1")});
  } else if (smoothing != 0 && network.loss != Loss::kCrossEntropy) {
    violations.push_back({"label_smoothing", "is for cross-entropy only"});
  }
  if (network.loss == Loss::kHuber &&
      !(std::isfinite(network.huber_delta) && network.huber_delta > 0)) {
    violations.push_back(
        {"huber_delta", absl::StrCat("is ", network.huber_delta,
                                     "; must be finite and greater than 0")});
  }
  CheckClassWeights(network, violations);
}

}  // namespace

std::vector<FieldViolation> Validate(const NetworkSpec& network) {
  Violations violations;
  if (network.input_size == 0) {
    violations.push_back({"input_size", "must be at least 1"});
  }
  if (network.layers.empty()) {
    violations.push_back({"layers", "must hold at least one layer"});
    return violations;
  }
  const size_t last = network.layers.size() - 1;
  for (size_t k = 0; k <= last; ++k) {
    CheckLayer(network.layers[k], absl::StrCat("layers[", k, "]"), k == last,
               violations);
  }
  CheckOutput(network.layers[last].activation, network.loss,
              absl::StrCat("layers[", last, "].activation"), violations);
  CheckLoss(network, violations);
  return violations;
}

}  // namespace backprop
