// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/exact_functions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace backprop::testing {
namespace {

double Sigmoid(double z) {
  return z < 0 ? std::exp(z) / (1 + std::exp(z)) : 1 / (1 + std::exp(-z));
}

double Phi(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

double Density(double z) {
  return std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
}

double Huber(double r, double delta) {
  r = std::fabs(r);
  return r <= delta ? r * r / 2 : delta * (r - delta / 2);
}

double LogSumExp(const std::vector<double>& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double value : z) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

double ClassWeight(const NetworkSpec& network, size_t i) {
  return network.class_weights.empty() ? 1 : double{network.class_weights[i]};
}

double CrossEntropy(const NetworkSpec& network, const std::vector<double>& z,
                    const std::vector<double>& targets) {
  const double smoothing = network.label_smoothing;
  const auto n = static_cast<double>(z.size());
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    const double t = (1 - smoothing) * targets[i] + smoothing / n;
    error -= ClassWeight(network, i) * t * (z[i] - LogSumExp(z));
  }
  return error;
}

// ln σ(z) = −ln(1 + e^−z)
double BinaryCrossEntropy(const NetworkSpec& network,
                          const std::vector<double>& z,
                          const std::vector<double>& targets) {
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    error += ClassWeight(network, i) * (targets[i] * ExactSoftplus(-z[i]) +
                                        (1 - targets[i]) * ExactSoftplus(z[i]));
  }
  return error / static_cast<double>(z.size());
}

}  // namespace

double ExactSoftplus(double z) {
  return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
}

double Exact(const LayerSpec& layer, double z) {
  const double c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
      return z;
    case Activation::kSigmoid:
      return Sigmoid(z);
    case Activation::kTanh:
      return std::tanh(z);
    case Activation::kRelu:
      return z > 0 ? z : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? z : c * z;
    case Activation::kElu:
      return z > 0 ? z : c * std::expm1(z);
    case Activation::kGelu:
      return z * Phi(z);
    case Activation::kSoftplus:
      return ExactSoftplus(z);
    case Activation::kSoftmax:
      break;
  }
  std::abort();  // softmax is no function of one number
}

double ExactDerivative(const LayerSpec& layer, double z) {
  const double c = layer.negative_scale;
  switch (layer.activation) {
    case Activation::kIdentity:
      return 1;
    case Activation::kSigmoid:
      return Sigmoid(z) * Sigmoid(-z);
    case Activation::kTanh:
      return 4 * Sigmoid(2 * z) * Sigmoid(-2 * z);
    case Activation::kRelu:
      return z > 0 ? 1 : 0;
    case Activation::kLeakyRelu:
      return z > 0 ? 1 : c;
    case Activation::kElu:
      return z > 0 ? 1 : c * std::exp(z);
    case Activation::kGelu:
      return Phi(z) + z * Density(z);
    case Activation::kSoftplus:
      return Sigmoid(z);
    case Activation::kSoftmax:
      break;
  }
  std::abort();  // softmax is fused with its loss
}

std::vector<double> ExactOutputs(const LayerSpec& layer,
                                 const std::vector<double>& z) {
  std::vector<double> outputs;
  for (const double value : z) {
    outputs.push_back(layer.activation == Activation::kSoftmax
                          ? std::exp(value - LogSumExp(z))
                          : Exact(layer, value));
  }
  return outputs;
}

double ExactError(const NetworkSpec& network, const std::vector<double>& z,
                  const std::vector<double>& targets) {
  if (network.loss == Loss::kCrossEntropy) {
    return CrossEntropy(network, z, targets);
  }
  if (network.loss == Loss::kBinaryCrossEntropy) {
    return BinaryCrossEntropy(network, z, targets);
  }
  const std::vector<double> y = ExactOutputs(network.layers.back(), z);
  const auto n = static_cast<double>(z.size());
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    const double r = targets[i] - y[i];
    if (network.loss == Loss::kHalfSquaredError) error += r * r / 2;
    if (network.loss == Loss::kMeanSquaredError) error += r * r / n;
    if (network.loss == Loss::kMeanAbsoluteError) error += std::fabs(r) / n;
    if (network.loss == Loss::kHuber) {
      error += Huber(r, network.huber_delta) / n;
    }
  }
  return error;
}

double NumericSignal(const NetworkSpec& network, std::vector<double> z,
                     const std::vector<double>& targets, size_t i) {
  constexpr double kStep = 0x1p-18;
  const double at = z[i];
  z[i] = at + kStep;
  const double above = ExactError(network, z, targets);
  z[i] = at - kStep;
  const double below = ExactError(network, z, targets);
  return (above - below) / (2 * kStep);
}

double UnitInLastPlace(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1, std::max(exponent - 24, -149));
}

std::vector<Activation> EveryActivation() {
  return {Activation::kIdentity, Activation::kSigmoid, Activation::kTanh,
          Activation::kRelu,     Activation::kSoftmax, Activation::kLeakyRelu,
          Activation::kElu,      Activation::kGelu,    Activation::kSoftplus};
}

std::vector<Loss> EveryLoss() {
  return {
      Loss::kHalfSquaredError,  Loss::kCrossEntropy, Loss::kMeanSquaredError,
      Loss::kMeanAbsoluteError, Loss::kHuber,        Loss::kBinaryCrossEntropy};
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
  }
  return "";
}

}  // namespace backprop::testing
