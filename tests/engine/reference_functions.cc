// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/reference_functions.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

namespace backprop::testing {
namespace {

template <double (*f)(double)>
Vector Each(const Vector& z) {
  Vector a;
  for (const double value : z) a.push_back(f(value));
  return a;
}

double Smooth(double) { return std::numeric_limits<double>::infinity(); }

double Identity(double z) { return z; }
double IdentityDerivative(double) { return 1; }

double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }
double SigmoidDerivative(double z) { return Sigmoid(z) * Sigmoid(-z); }

double Tanh(double z) { return std::tanh(z); }
double TanhDerivative(double z) { return 1 / (std::cosh(z) * std::cosh(z)); }

double Relu(double z) { return z > 0 ? z : 0; }
double ReluDerivative(double z) { return z > 0 ? 1 : 0; }
double ReluKink(double z) { return std::fabs(z); }

// ln Σ_j e^z_j; the largest z is taken out so that nothing overflows.
double LogSumExp(const Vector& z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double value : z) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

Vector Softmax(const Vector& z) {
  const double log_sum = LogSumExp(z);
  Vector y;
  for (const double value : z) y.push_back(std::exp(value - log_sum));
  return y;
}

// E = ½·Σ(d − y)²
double HalfSquaredError(const Vector&, const Vector& y, const Vector& d) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += (d[i] - y[i]) * (d[i] - y[i]);
  return sum / 2;
}

// ∂E/∂z = −(d − y)·f′(z)
Vector HalfSquaredErrorSignal(const ReferenceActivation& f, const Vector& z,
                              const Vector& y, const Vector& d) {
  Vector signal;
  for (size_t i = 0; i < y.size(); ++i) {
    signal.push_back(-(d[i] - y[i]) * f.derivative(z[i]));
  }
  return signal;
}

// E = −Σ d·ln softmax(z)
double CrossEntropy(const Vector& z, const Vector&, const Vector& d) {
  const double log_sum = LogSumExp(z);
  double error = 0;
  for (size_t i = 0; i < z.size(); ++i) error -= d[i] * (z[i] - log_sum);
  return error;
}

// ∂E/∂z_i = softmax(z)_i·Σd − d_i. The usual softmax(z)_i − d_i only if Σd = 1.
Vector CrossEntropySignal(const ReferenceActivation&, const Vector& z,
                          const Vector&, const Vector& d) {
  const double sum = std::accumulate(d.begin(), d.end(), 0.0);
  Vector signal = Softmax(z);
  for (size_t i = 0; i < z.size(); ++i) signal[i] = signal[i] * sum - d[i];
  return signal;
}

constexpr ReferenceActivation kActivations[] = {
    {Activation::kIdentity, "identity", Each<Identity>, IdentityDerivative,
     Smooth},
    {Activation::kSigmoid, "sigmoid", Each<Sigmoid>, SigmoidDerivative, Smooth},
    {Activation::kTanh, "tanh", Each<Tanh>, TanhDerivative, Smooth},
    {Activation::kRelu, "relu", Each<Relu>, ReluDerivative, ReluKink},
    {Activation::kSoftmax, "softmax", Softmax, nullptr, Smooth},
};

constexpr ReferenceLoss kLosses[] = {
    {Loss::kHalfSquaredError, "half_squared_error", HalfSquaredError,
     HalfSquaredErrorSignal},
    {Loss::kCrossEntropy, "cross_entropy", CrossEntropy, CrossEntropySignal},
};

}  // namespace

std::span<const ReferenceActivation> ReferenceActivations() {
  return kActivations;
}

std::span<const ReferenceLoss> ReferenceLosses() { return kLosses; }

const ReferenceActivation& Reference(Activation activation) {
  for (const ReferenceActivation& entry : kActivations) {
    if (entry.activation == activation) return entry;
  }
  std::abort();  // an activation without a twin
}

const ReferenceLoss& Reference(Loss loss) {
  for (const ReferenceLoss& entry : kLosses) {
    if (entry.loss == loss) return entry;
  }
  std::abort();  // a loss without a twin
}

}  // namespace backprop::testing
