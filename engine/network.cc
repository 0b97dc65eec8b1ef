// SPDX-License-Identifier: Apache-2.0
#include "engine/network.h"

#include "absl/strings/str_cat.h"

namespace backprop {

std::vector<FieldViolation> Validate(const NetworkSpec& network) {
  std::vector<FieldViolation> violations;
  if (network.input_size == 0) {
    violations.push_back({"input_size", "must be at least 1"});
  }
  if (network.layers.empty()) {
    violations.push_back({"layers", "must hold at least one layer"});
    return violations;
  }
  const size_t last = network.layers.size() - 1;
  for (size_t k = 0; k <= last; ++k) {
    const LayerSpec& layer = network.layers[k];
    if (layer.size == 0) {
      violations.push_back(
          {absl::StrCat("layers[", k, "].size"), "must be at least 1"});
    }
    if (layer.activation == Activation::kSoftmax && k != last) {
      violations.push_back({absl::StrCat("layers[", k, "].activation"),
                            "softmax is for the last layer only"});
    }
  }
  const Activation output = network.layers[last].activation;
  const std::string field = absl::StrCat("layers[", last, "].activation");
  if (network.loss == Loss::kCrossEntropy) {
    if (output != Activation::kSoftmax && output != Activation::kIdentity) {
      violations.push_back({field,
                            "must be softmax (outputs are probabilities) or "
                            "identity (outputs are logits) under "
                            "cross-entropy"});
    }
  } else if (output == Activation::kSoftmax) {
    violations.push_back(
        {field, "softmax needs cross-entropy as the loss: set loss"});
  }
  return violations;
}

}  // namespace backprop
