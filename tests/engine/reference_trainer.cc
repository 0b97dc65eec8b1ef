// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/reference_trainer.h"

#include <algorithm>
#include <limits>

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

}  // namespace

double ReferenceSample::KinkDistance(const NetworkSpec& network) const {
  double distance = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < passes.size(); ++k) {
    const auto& f = Reference(network.layers[k].activation);
    for (const double z : passes[k].z) {
      distance = std::min(distance, f.kink_distance(z));
    }
  }
  return distance;
}

size_t WeightCount(const NetworkSpec& network) {
  return Begin(network, network.layers.size());
}

ReferenceSample ReferenceForward(const NetworkSpec& network,
                                 const Vector& weights, const Vector& input) {
  ReferenceSample sample;
  Vector a = input;
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
    const Vector outputs = Reference(network.layers[k].activation).value(z);
    sample.passes.push_back({a, z, outputs, {}});
    a = outputs;
  }
  return sample;
}

double ReferenceError(const NetworkSpec& network, const Vector& weights,
                      const Vector& input, const Vector& target) {
  const ReferenceSample sample = ReferenceForward(network, weights, input);
  return Reference(network.loss)
      .error(sample.passes.back().z, sample.outputs(), target);
}

void ReferenceTrainer::Backward(const Vector& target,
                                ReferenceSample& sample) const {
  const ReferenceLoss& loss = Reference(network_.loss);
  ReferencePass& last = sample.passes.back();
  sample.error = loss.error(last.z, last.outputs, target);
  last.signal = loss.signal(Reference(network_.layers.back().activation),
                            last.z, last.outputs, target);
  for (size_t k = sample.passes.size() - 1; k > 0; --k) {
    const ReferencePass& above = sample.passes[k];
    ReferencePass& pass = sample.passes[k - 1];
    const auto& f = Reference(network_.layers[k - 1].activation);
    const double* w = &weights_[Begin(network_, k)];
    for (size_t j = 0; j < pass.z.size(); ++j) {
      double sum = 0;  // Σ_i δ_i·W_ij
      for (size_t i = 0; i < above.signal.size(); ++i) {
        sum += above.signal[i] * w[i * pass.z.size() + j];
      }
      pass.signal.push_back(sum * f.derivative(pass.z[j]));
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

ReferenceStep ReferenceTrainer::Step(const std::vector<Vector>& inputs,
                                     const std::vector<Vector>& targets) {
  ReferenceStep step;
  step.gradient.resize(weights_.size());
  for (size_t s = 0; s < inputs.size(); ++s) {
    ReferenceSample sample = ReferenceForward(network_, weights_, inputs[s]);
    Backward(targets[s], sample);
    AddGradient(sample, step.gradient);
    step.error += sample.error;
    step.samples.push_back(std::move(sample));
  }
  const auto batch = static_cast<double>(inputs.size());
  step.error /= batch;
  for (double& g : step.gradient) g /= batch;
  step.delta = optimiser_.Step(step.gradient, weights_);
  for (size_t i = 0; i < weights_.size(); ++i) weights_[i] += step.delta[i];
  return step;
}

}  // namespace backprop::testing
