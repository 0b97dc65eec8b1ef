// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/function_names.h"

#include <gtest/gtest.h>

namespace backprop::testing {
namespace {

template <class Kind>
Kind Named(const std::string& name, const std::vector<Kind>& kinds) {
  for (const Kind kind : kinds) {
    if (Name(kind) == name) return kind;
  }
  ADD_FAILURE() << "no " << name;
  return {};
}

}  // namespace

std::vector<Activation> EveryActivation() {
  return {Activation::kIdentity, Activation::kSigmoid, Activation::kTanh,
          Activation::kRelu,     Activation::kSoftmax, Activation::kLeakyRelu,
          Activation::kElu,      Activation::kGelu,    Activation::kSoftplus};
}

std::vector<Loss> EveryLoss() {
  return {Loss::kHalfSquaredError,
          Loss::kCrossEntropy,
          Loss::kMeanSquaredError,
          Loss::kMeanAbsoluteError,
          Loss::kHuber,
          Loss::kBinaryCrossEntropy,
          Loss::kPoisson};
}

std::string Name(Activation activation) {
  switch (activation) {
    case Activation::kIdentity:
      return "identity";
    case Activation::kSigmoid:
      return "sigmoid";
    case Activation::kTanh:
      return "tanh";
    case Activation::kRelu:
      return "relu";
    case Activation::kSoftmax:
      return "softmax";
    case Activation::kLeakyRelu:
      return "leaky_relu";
    case Activation::kElu:
      return "elu";
    case Activation::kGelu:
      return "gelu";
    case Activation::kSoftplus:
      return "softplus";
  }
  return "";
}

std::string Name(Loss loss) {
  switch (loss) {
    case Loss::kHalfSquaredError:
      return "half_squared_error";
    case Loss::kCrossEntropy:
      return "cross_entropy";
    case Loss::kMeanSquaredError:
      return "mean_squared_error";
    case Loss::kMeanAbsoluteError:
      return "mean_absolute_error";
    case Loss::kHuber:
      return "huber";
    case Loss::kBinaryCrossEntropy:
      return "binary_cross_entropy";
    case Loss::kPoisson:
      return "poisson";
  }
  return "";
}

Activation ActivationNamed(const std::string& name) {
  return Named(name, EveryActivation());
}

Loss LossNamed(const std::string& name) { return Named(name, EveryLoss()); }

}  // namespace backprop::testing
