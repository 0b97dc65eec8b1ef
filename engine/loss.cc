// SPDX-License-Identifier: Apache-2.0
#include "engine/loss.h"

#include <algorithm>
#include <cmath>

#include "engine/activation.h"

namespace backprop {
namespace {

double HalfSquaredError(const LastLayer& sample) {
  double sum = 0;
  for (size_t i = 0; i < sample.targets.size(); ++i) {
    const double difference = double{sample.targets[i]} - sample.outputs[i];
    sum += difference * difference;
  }
  return sum / 2;
}

// ln Σ e^z, without overflow.
double LogSumExp(std::span<const float> z) {
  const double largest = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const float value : z) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

// −Σ d·ln softmax(z) = Σ d·(ln Σ e^z − z)
double CrossEntropy(const LastLayer& sample) {
  const double log_sum = LogSumExp(sample.z);
  double error = 0;
  for (size_t i = 0; i < sample.targets.size(); ++i) {
    if (sample.targets[i] == 0) continue;  // 0·∞ counts as 0
    error += sample.targets[i] * (log_sum - sample.z[i]);
  }
  return error;
}

// ∂E/∂z_i = softmax(z)_i·Σd − d_i
void CrossEntropySignal(const NetworkSpec& network, const LastLayer& sample,
                        std::span<float> signal) {
  if (network.layers.back().activation == Activation::kSoftmax) {
    std::copy(sample.outputs.begin(), sample.outputs.end(), signal.begin());
  } else {
    Activate(Activation::kSoftmax, sample.z, signal);
  }
  float sum = 0;
  for (const float target : sample.targets) sum += target;
  for (size_t i = 0; i < signal.size(); ++i) {
    signal[i] = signal[i] * sum - sample.targets[i];
  }
}

}  // namespace

double Error(const NetworkSpec& network, const LastLayer& sample) {
  return network.loss == Loss::kCrossEntropy ? CrossEntropy(sample)
                                             : HalfSquaredError(sample);
}

double ErrorAndSignal(const NetworkSpec& network, const LastLayer& sample,
                      std::span<float> signal) {
  if (network.loss == Loss::kCrossEntropy) {
    CrossEntropySignal(network, sample, signal);
  } else {
    for (size_t i = 0; i < signal.size(); ++i) {
      signal[i] = sample.outputs[i] - sample.targets[i];
    }
    MultiplyByDerivative(network.layers.back().activation, sample.outputs,
                         signal);
  }
  return Error(network, sample);
}

}  // namespace backprop
