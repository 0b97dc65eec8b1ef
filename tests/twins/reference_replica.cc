// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_replica.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cmath>
#include <cstring>

namespace backprop::testing {
namespace {

std::vector<float> Numbers(const std::string& bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(float));
  if (numbers.empty()) return numbers;
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

}  // namespace

ReferenceReplica::ReferenceReplica(const v1::Session& session,
                                   const std::vector<float>& weights)
    : session_(session),
      weights_(weights.size()),
      last_delta_(weights.size()),
      step_(session.step()) {
  for (size_t i = 0; i < weights.size(); ++i) weights_[i].w = weights[i];
}

ReferenceReplica ReferenceReplica::WithState(
    const v1::Session& session, const std::vector<float>& numbers) {
  const size_t count = session.layout().weight_count();
  ReferenceReplica replica(session, {numbers.begin(), numbers.begin() + count});
  size_t next = count;
  for (const auto vector : replica.StateVectors()) {
    for (ReferenceWeight& weight : replica.weights_) {
      weight.*vector = numbers[next++];
    }
  }
  EXPECT_EQ(next, numbers.size());
  return replica;
}

std::vector<float ReferenceWeight::*> ReferenceReplica::StateVectors() const {
  const v1::Optimiser& optimiser = session_.spec().optimiser();
  if (optimiser.has_adam()) return {&ReferenceWeight::m, &ReferenceWeight::v};
  if (!optimiser.has_sgd()) return {&ReferenceWeight::v};
  if (optimiser.sgd().momentum() == 0) return {};
  return {&ReferenceWeight::m};
}

std::vector<float> ReferenceReplica::weights() const {
  std::vector<float> weights;
  for (const ReferenceWeight& weight : weights_) weights.push_back(weight.w);
  return weights;
}

std::vector<float> ReferenceReplica::numbers() const {
  std::vector<float> numbers = weights();
  for (const auto vector : StateVectors()) {
    for (const ReferenceWeight& weight : weights_) {
      numbers.push_back(weight.*vector);
    }
  }
  return numbers;
}

void ReferenceReplica::Apply(const v1::TrainRequest& request,
                             const v1::TrainResponse& response) {
  ASSERT_EQ(response.base_step(), step_);
  const size_t row = session_.layout().delta_row_length();
  const size_t scalar_row = session_.layout().scalar_count();
  const size_t batch = session_.spec().batch_size();
  const size_t steps = response.step() - response.base_step();
  const std::vector<float> deltas = Numbers(response.deltas());
  const std::vector<float> scalars = Numbers(response.scalars());
  ASSERT_EQ(deltas.size(), steps * row);
  ASSERT_EQ(scalars.size(), steps * scalar_row);
  for (size_t s = 0; s < steps; ++s) {
    ApplyStep(deltas.data() + s * row, scalars.data() + s * scalar_row, request,
              response.skipped_samples() + s * batch);
  }
  step_ = response.step();
}

uint64_t ReferenceReplica::digest() const {
  const std::vector<float> weights = this->weights();
  return XXH3_64bits(weights.data(), weights.size() * sizeof(float));
}

std::vector<float> ReferenceReplica::Inputs(const v1::TrainRequest& request,
                                            size_t sample) const {
  const v1::InputFormat& format = session_.spec().input();
  const size_t length = session_.spec().input_size();
  std::vector<float> x(length);
  for (size_t i = 0; i < length; ++i) {
    float element = 0;
    if (format.element_type() == v1::ELEMENT_TYPE_UINT8) {
      element =
          static_cast<unsigned char>(request.inputs()[sample * length + i]);
    } else {
      std::memcpy(&element, request.inputs().data() + (sample * length + i) * 4,
                  4);
    }
    x[i] = Fl(format.scale() * element);
    if (format.standardisation().mean_size() != 0) {
      const int j = static_cast<int>(i);
      x[i] = Fl(Fl(x[i] - format.standardisation().mean(j)) *
                format.standardisation().factor(j));
    }
    if (std::fabs(x[i]) < 0x1p-60F) x[i] = 0;
  }
  return x;
}

std::vector<float> ReferenceReplica::Product(int k, const float* part,
                                             const v1::TrainRequest& request,
                                             size_t first_sample) const {
  const v1::LayerLayout& layer = session_.layout().layers(k);
  const size_t in = layer.inputs();
  const size_t out = layer.outputs();
  if (layer.delta_form() == v1::DELTA_FORM_DENSE) {
    return {part, part + out * in + out};
  }
  std::vector<float> product(out * in + out);
  for (size_t s = 0; s < session_.spec().batch_size(); ++s) {
    const float* u = part + s * (k == 0 ? out : out + in);
    const std::vector<float> a =
        k == 0 ? Inputs(request, first_sample + s)
               : std::vector<float>(u + out, u + out + in);
    for (size_t i = 0; i < out; ++i) {
      for (size_t j = 0; j < in; ++j) {
        float& g = product[i * in + j];
        const float term = Fl(u[i] * a[j]);
        g = s == 0 ? term : Fl(g + term);
      }
      float& g = product[out * in + i];
      g = s == 0 ? u[i] : Fl(g + u[i]);
    }
  }
  return product;
}

void ReferenceReplica::ApplyStep(const float* row, const float* scalars,
                                 const v1::TrainRequest& request,
                                 size_t first_sample) {
  for (int k = 0; k < session_.layout().layers_size(); ++k) {
    const v1::LayerLayout& layer = session_.layout().layers(k);
    const std::vector<float> product =
        Product(k, row + layer.delta_begin(), request, first_sample);
    const bool is_delta =
        layer.delta_form() == v1::DELTA_FORM_DENSE ||
        session_.layout().factor_kind() == v1::FACTOR_KIND_DELTA;
    // Weights and bias lie one after the other.
    for (size_t i = 0; i < product.size(); ++i) {
      ReferenceWeight& weight = weights_[layer.weights_begin() + i];
      const float delta = is_delta
                              ? product[i]
                              : ReferenceDelta(session_.spec().optimiser(),
                                               scalars, product[i], &weight);
      weight.w = Fl(weight.w + delta);
      last_delta_[layer.weights_begin() + i] = delta;
    }
  }
}

}  // namespace backprop::testing
