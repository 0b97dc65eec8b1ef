// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_trainer.h"

#include <algorithm>

namespace backprop::testing {
namespace {

// Inputs of layer k.
size_t In(const NetworkSpec& network, size_t k) {
  return k == 0 ? network.input_size : network.layers[k - 1].size;
}

// Where layer k's matrix begins in the flat weights; its bias lies behind it.
size_t Begin(const NetworkSpec& network, size_t k) {
  size_t begin = 0;
  for (size_t i = 0; i < k; ++i) {
    begin += network.layers[i].size * (In(network, i) + 1);
  }
  return begin;
}

// Multiplies by what dropout makes of layer k's outputs.
void Drop(const Sample& sample, size_t k, Vector& numbers) {
  if (sample.dropout.empty() || sample.dropout[k].empty()) return;
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] *= sample.dropout[k][i];
  }
}

double KinkDistanceOf(const NetworkSpec& network, const ReferenceSample& passed,
                      const Vector& target) {
  double distance = LossKinkDistance(network, passed.passes.back().z, target);
  for (size_t k = 0; k < passed.passes.size(); ++k) {
    for (const double z : passed.passes[k].z) {
      distance = std::min(distance, KinkDistance(network.layers[k], z));
    }
  }
  return distance;
}

}  // namespace

size_t WeightCount(const NetworkSpec& network) {
  return Begin(network, network.layers.size());
}

ReferenceSample ReferenceForward(const NetworkSpec& network,
                                 const Vector& weights, const Sample& sample) {
  ReferenceSample passed;
  Vector a = sample.input;
  for (size_t k = 0; k < network.layers.size(); ++k) {
    const size_t in = In(network, k);
    const size_t out = network.layers[k].size;
    const double* w = &weights[Begin(network, k)];
    const double* bias = w + out * in;
    Vector z(out);
    for (size_t i = 0; i < out; ++i) {
      z[i] = bias[i];
      for (size_t j = 0; j < in; ++j) z[i] += w[i * in + j] * a[j];
    }
    const Vector outputs = ReferenceOutputs(network.layers[k], z);
    passed.passes.push_back({a, z, outputs, {}});
    a = outputs;
    Drop(sample, k, a);
  }
  const Vector& z = passed.passes.back().z;
  passed.error = sample.weight * ReferenceError(network, z, sample.target);
  passed.kink_distance = KinkDistanceOf(network, passed, sample.target);
  return passed;
}

double ReferenceStepError(const NetworkSpec& network, const Vector& weights,
                          const std::vector<Sample>& samples) {
  double sum = 0;
  for (const Sample& sample : samples) {
    sum += ReferenceForward(network, weights, sample).error;
  }
  return sum / static_cast<double>(samples.size());
}

void ReferenceTrainer::Backward(const Sample& sample,
                                ReferenceSample& passed) const {
  ReferencePass& last = passed.passes.back();
  last.signal = ReferenceSignal(network_, last.z, sample.target);
  for (double& signal : last.signal) signal *= sample.weight;
  for (size_t k = passed.passes.size() - 1; k > 0; --k) {
    const ReferencePass& above = passed.passes[k];
    ReferencePass& pass = passed.passes[k - 1];
    const size_t size = pass.z.size();
    const double* w = &weights_[Begin(network_, k)];
    pass.signal.assign(size, 0);
    for (size_t i = 0; i < above.signal.size(); ++i) {
      for (size_t j = 0; j < size; ++j) {
        pass.signal[j] += above.signal[i] * w[i * size + j];  // Σ_i δ_i·W_ij
      }
    }
    Drop(sample, k - 1, pass.signal);
    for (size_t j = 0; j < size; ++j) {
      pass.signal[j] *= ReferenceDerivative(network_.layers[k - 1], pass.z[j]);
    }
  }
}

void ReferenceTrainer::AddGradient(const ReferenceSample& sample,
                                   Vector& gradient) const {
  for (size_t k = 0; k < sample.passes.size(); ++k) {
    const ReferencePass& pass = sample.passes[k];
    const size_t in = pass.inputs.size();
    const size_t out = pass.signal.size();
    double* w = &gradient[Begin(network_, k)];
    double* bias = w + out * in;
    for (size_t i = 0; i < out; ++i) {
      for (size_t j = 0; j < in; ++j) {
        w[i * in + j] += pass.signal[i] * pass.inputs[j];  // ∂E/∂W_ij = δ_i·a_j
      }
      bias[i] += pass.signal[i];
    }
  }
}

ReferenceStep ReferenceTrainer::Step(const std::vector<Sample>& samples,
                                     double learning_rate) {
  ReferenceStep step;
  step.gradient.resize(weights_.size());
  for (const Sample& sample : samples) {
    ReferenceSample passed = ReferenceForward(network_, weights_, sample);
    Backward(sample, passed);
    AddGradient(passed, step.gradient);
    step.error += passed.error;
    step.samples.push_back(std::move(passed));
  }
  const auto batch = static_cast<double>(samples.size());
  step.error /= batch;
  for (double& g : step.gradient) {
    g /= batch;
    step.delta.push_back(-learning_rate * g);
  }
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] += step.delta[i];
  return step;
}

}  // namespace backprop::testing
