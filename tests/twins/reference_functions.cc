// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_functions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>

namespace backprop::testing {
namespace {

constexpr double kNoKink = std::numeric_limits<double>::infinity();

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

double LogSumExp(const Vector& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double value : z) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

double Sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

double ClassWeight(const NetworkSpec& network, size_t i) {
  return network.class_weights.empty() ? 1 : double{network.class_weights[i]};
}

// c_i·t_i, t_i = (1 − ε)·d_i + ε/n
double ClassTerm(const NetworkSpec& network, const Vector& targets, size_t i) {
  const double smoothing = network.label_smoothing;
  const auto n = static_cast<double>(targets.size());
  return ClassWeight(network, i) *
         ((1 - smoothing) * targets[i] + smoothing / n);
}

double CrossEntropy(const NetworkSpec& network, const Vector& z,
                    const Vector& targets) {
  const double log_sum = LogSumExp(z);
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    error -= ClassTerm(network, targets, i) * (z[i] - log_sum);
  }
  return error;
}

// ln σ(z) = −ln(1 + e^−z)
double BinaryCrossEntropy(const NetworkSpec& network, const Vector& z,
                          const Vector& targets) {
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    error +=
        ClassWeight(network, i) * (targets[i] * ReferenceSoftplus(-z[i]) +
                                   (1 - targets[i]) * ReferenceSoftplus(z[i]));
  }
  return error / static_cast<double>(z.size());
}

// ∂E/∂z_i = softmax(z)_i·Σ c·t − c_i·t_i
Vector CrossEntropySignal(const NetworkSpec& network, const Vector& z,
                          const Vector& targets) {
  const double log_sum = LogSumExp(z);
  double sum = 0;
  for (size_t i = 0; i < z.size(); ++i) sum += ClassTerm(network, targets, i);
  Vector signal;
  for (size_t i = 0; i < z.size(); ++i) {
    const double y = std::exp(z[i] - log_sum);
    signal.push_back(y * sum - ClassTerm(network, targets, i));
  }
  return signal;
}

// ∂E/∂y of one output of a loss that is not fused with an activation.
double OutputSlope(const NetworkSpec& network, double y, double target) {
  const auto n = static_cast<double>(network.output_size());
  const double r = y - target;
  switch (network.loss) {
    case Loss::kHalfSquaredError:
      return r;
    case Loss::kMeanSquaredError:
      return 2 * r / n;
    case Loss::kMeanAbsoluteError:
      return Sign(r) / n;
    case Loss::kHuber:
      return std::clamp(r, -double{network.huber_delta},
                        double{network.huber_delta}) /
             n;
    case Loss::kPoisson:
      return (std::exp(y) - target) / n;
    case Loss::kCrossEntropy:
    case Loss::kBinaryCrossEntropy:
      break;
  }
  std::abort();  // fused
}

}  // namespace

double ReferenceSoftplus(double z) {
  return z > 0 ? z + std::log1p(std::exp(-z)) : std::log1p(std::exp(z));
}

double ReferenceValue(const LayerSpec& layer, double z) {
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
      return ReferenceSoftplus(z);
    case Activation::kSoftmax:
      break;
  }
  std::abort();  // softmax is no function of one number
}

double ReferenceDerivative(const LayerSpec& layer, double z) {
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

Vector ReferenceOutputs(const LayerSpec& layer, const Vector& z) {
  const bool softmax = layer.activation == Activation::kSoftmax;
  const double log_sum = softmax ? LogSumExp(z) : 0;
  Vector outputs;
  for (const double value : z) {
    outputs.push_back(softmax ? std::exp(value - log_sum)
                              : ReferenceValue(layer, value));
  }
  return outputs;
}

double ReferenceError(const NetworkSpec& network, const Vector& z,
                      const Vector& targets) {
  if (network.loss == Loss::kCrossEntropy) {
    return CrossEntropy(network, z, targets);
  }
  if (network.loss == Loss::kBinaryCrossEntropy) {
    return BinaryCrossEntropy(network, z, targets);
  }
  const Vector y = ReferenceOutputs(network.layers.back(), z);
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
    if (network.loss == Loss::kPoisson) {
      error += (std::exp(y[i]) - targets[i] * y[i]) / n;
    }
  }
  return error;
}

Vector ReferenceSignal(const NetworkSpec& network, const Vector& z,
                       const Vector& targets) {
  if (network.loss == Loss::kCrossEntropy) {
    return CrossEntropySignal(network, z, targets);
  }
  const LayerSpec& last = network.layers.back();
  const auto n = static_cast<double>(z.size());
  Vector signal;
  for (size_t i = 0; i < z.size(); ++i) {
    signal.push_back(
        network.loss == Loss::kBinaryCrossEntropy
            ? ClassWeight(network, i) * (Sigmoid(z[i]) - targets[i]) / n
            : OutputSlope(network, ReferenceValue(last, z[i]), targets[i]) *
                  ReferenceDerivative(last, z[i]));
  }
  return signal;
}

double NumericSignal(const NetworkSpec& network, Vector z,
                     const Vector& targets, size_t i) {
  constexpr double kStep = 0x1p-18;
  const double at = z[i];
  z[i] = at + kStep;
  const double above = ReferenceError(network, z, targets);
  z[i] = at - kStep;
  const double below = ReferenceError(network, z, targets);
  return (above - below) / (2 * kStep);
}

double KinkDistance(const LayerSpec& layer, double z) {
  const bool bends = layer.activation == Activation::kRelu ||
                     layer.activation == Activation::kLeakyRelu ||
                     layer.activation == Activation::kElu;
  return bends ? std::fabs(z) : kNoKink;
}

double LossKinkDistance(const NetworkSpec& network, const Vector& z,
                        const Vector& targets) {
  const Vector y = ReferenceOutputs(network.layers.back(), z);
  double distance = kNoKink;
  for (size_t i = 0; i < y.size(); ++i) {
    const double r = std::fabs(y[i] - targets[i]);
    if (network.loss == Loss::kMeanAbsoluteError) {
      distance = std::min(distance, r);
    }
    if (network.loss == Loss::kHuber) {
      distance = std::min(distance, std::fabs(r - network.huber_delta));
    }
  }
  return distance;
}

double UnitInLastPlace(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1, std::max(exponent - 24, -149));
}

}  // namespace backprop::testing
