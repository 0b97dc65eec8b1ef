// SPDX-License-Identifier: Apache-2.0
#include "tests/server/reference_replica.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cmath>
#include <cstring>

namespace backprop::testing {
namespace {

// Rounds to float32 whatever the compiler would like to keep or fuse.
float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

}  // namespace

void ReferenceReplica::Apply(const v1::TrainRequest& request,
                             const v1::TrainResponse& response) {
  ASSERT_EQ(response.base_step(), step_);
  const size_t row = session_.layout().delta_row_length();
  const size_t batch = session_.spec().batch_size();
  const size_t steps = response.step() - response.base_step();
  ASSERT_EQ(response.deltas().size(), steps * row * sizeof(float));
  std::vector<float> deltas(steps * row);
  std::memcpy(deltas.data(), response.deltas().data(),
              response.deltas().size());
  for (size_t s = 0; s < steps; ++s) {
    ApplyStep(deltas.data() + s * row, request,
              response.skipped_samples() + s * batch);
  }
  step_ = response.step();
}

uint64_t ReferenceReplica::digest() const {
  return XXH3_64bits(weights_.data(), weights_.size() * sizeof(float));
}

std::vector<float> ReferenceReplica::Inputs(const v1::TrainRequest& request,
                                            size_t sample) const {
  const size_t length = session_.spec().input_size();
  const float scale = session_.spec().input().scale();
  std::vector<float> x(length);
  for (size_t i = 0; i < length; ++i) {
    float element = 0;
    if (session_.spec().input().element_type() == v1::ELEMENT_TYPE_UINT8) {
      element =
          static_cast<unsigned char>(request.inputs()[sample * length + i]);
    } else {
      std::memcpy(&element, request.inputs().data() + (sample * length + i) * 4,
                  4);
    }
    x[i] = Fl(scale * element);
    if (std::fabs(x[i]) < 0x1p-60F) x[i] = 0;
  }
  return x;
}

void ReferenceReplica::ApplyStep(const float* row,
                                 const v1::TrainRequest& request,
                                 size_t first_sample) {
  const size_t batch = session_.spec().batch_size();
  for (int k = 0; k < session_.layout().layers_size(); ++k) {
    const v1::LayerLayout& layer = session_.layout().layers(k);
    const size_t in = layer.inputs();
    const size_t out = layer.outputs();
    const float* part = row + layer.delta_begin();
    std::vector<float> delta(out * in + out);
    if (layer.delta_form() == v1::DELTA_FORM_DENSE) {
      delta.assign(part, part + out * in + out);
    } else {
      for (size_t s = 0; s < batch; ++s) {
        const float* u = part + s * (k == 0 ? out : out + in);
        const std::vector<float> a =
            k == 0 ? Inputs(request, first_sample + s)
                   : std::vector<float>(u + out, u + out + in);
        for (size_t i = 0; i < out; ++i) {
          for (size_t j = 0; j < in; ++j) {
            float& g = delta[i * in + j];
            const float product = Fl(u[i] * a[j]);
            g = s == 0 ? product : Fl(g + product);
          }
          float& g = delta[out * in + i];
          g = s == 0 ? u[i] : Fl(g + u[i]);
        }
      }
    }
    for (size_t i = 0; i < out * in; ++i) {
      float& w = weights_[layer.weights_begin() + i];
      w = Fl(w + delta[i]);
    }
    for (size_t i = 0; i < out; ++i) {
      float& w = weights_[layer.bias_begin() + i];
      w = Fl(w + delta[out * in + i]);
    }
  }
}

}  // namespace backprop::testing
