// SPDX-License-Identifier: Apache-2.0
#include "engine/activation.h"

#include <algorithm>
#include <cmath>

namespace backprop {
namespace {

void Softmax(std::span<const float> z, std::span<float> a) {
  const float largest = *std::max_element(z.begin(), z.end());
  float sum = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    a[i] = std::exp(z[i] - largest);
    sum += a[i];
  }
  for (float& value : a) value /= sum;
}

}  // namespace

void Activate(Activation activation, std::span<const float> z,
              std::span<float> a) {
  switch (activation) {
    case Activation::kIdentity:
      std::copy(z.begin(), z.end(), a.begin());
      return;
    case Activation::kSigmoid:
      for (size_t i = 0; i < z.size(); ++i) a[i] = 1 / (1 + std::exp(-z[i]));
      return;
    case Activation::kTanh:
      for (size_t i = 0; i < z.size(); ++i) a[i] = std::tanh(z[i]);
      return;
    case Activation::kRelu:
      // Not std::max, which would make 0 of NaN and hide a broken step.
      for (size_t i = 0; i < z.size(); ++i) a[i] = z[i] < 0 ? 0 : z[i];
      return;
    case Activation::kSoftmax:
      Softmax(z, a);
      return;
  }
}

void MultiplyByDerivative(Activation activation, std::span<const float> a,
                          std::span<float> signal) {
  switch (activation) {
    case Activation::kIdentity:
    case Activation::kSoftmax:
      return;
    case Activation::kSigmoid:
      for (size_t i = 0; i < a.size(); ++i) signal[i] *= a[i] * (1 - a[i]);
      return;
    case Activation::kTanh:
      for (size_t i = 0; i < a.size(); ++i) signal[i] *= 1 - a[i] * a[i];
      return;
    case Activation::kRelu:
      for (size_t i = 0; i < a.size(); ++i)
        signal[i] = a[i] > 0 ? signal[i] : 0;
      return;
  }
}

}  // namespace backprop
