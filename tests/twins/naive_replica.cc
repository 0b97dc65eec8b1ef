// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/naive_replica.h"

#include <cmath>
#include <utility>

namespace backprop::testing {
namespace {

// Rounds to float32 whatever the compiler would like to keep or fuse.
float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

float ZeroBelow(float value, float limit) {
  return std::fabs(value) < limit ? 0.0F : value;
}

}  // namespace

NaiveReplica::NaiveReplica(const v1::Session& session,
                           std::vector<float> weights, std::vector<float> state)
    : session_(session),
      weights_(std::move(weights)),
      state_(std::move(state)) {}

// delta.proto (7) for one weight.
void NaiveReplica::StepOne(size_t number, float g,
                           const std::vector<float>& s) {
  float& w = weights_[number];
  if (session_.layout().factor_kind() == v1::FACTOR_KIND_DELTA) {
    w = Fl(w + g);
    return;
  }
  const v1::Optimiser& optimiser = session_.spec().optimiser();
  float none = 0;
  float& first = state_.empty() ? none : state_[number];
  float& second = session_.layout().state_count() < 2
                      ? none
                      : state_[weights_.size() + number];
  const float rate = s[0], l2 = s[1], l1 = s[2], decay = s[3], clip = s[4];
  if (clip != 0) g = std::min(std::max(g, -clip), clip);
  if (l2 != 0) g = ZeroBelow(Fl(g + Fl(l2 * w)), 0x1p-60F);
  if (l1 != 0 && w > 0) g = Fl(g + l1);
  if (l1 != 0 && w < 0) g = Fl(g - l1);
  float p = g;
  switch (optimiser.kind_case()) {
    case v1::Optimiser::kSgd:
      if (session_.layout().state_count() == 0) break;
      first = ZeroBelow(Fl(Fl(s[5] * first) + g), 0x1p-60F);
      p = optimiser.sgd().nesterov() ? Fl(g + Fl(s[5] * first)) : first;
      break;
    case v1::Optimiser::kAdagrad:
      first = Fl(first + Fl(g * g));
      p = Fl(g / Fl(Fl(std::sqrt(first)) + s[5]));
      break;
    case v1::Optimiser::kRmsProp:
      first = ZeroBelow(Fl(Fl(s[5] * first) + Fl(s[6] * Fl(g * g))), 0x1p-120F);
      p = Fl(g / Fl(Fl(std::sqrt(first)) + s[7]));
      break;
    default:
      first = ZeroBelow(Fl(Fl(s[5] * first) + Fl(s[6] * g)), 0x1p-60F);
      second =
          ZeroBelow(Fl(Fl(s[7] * second) + Fl(s[8] * Fl(g * g))), 0x1p-120F);
      p = Fl(first / Fl(Fl(std::sqrt(second)) + s[9]));
  }
  float d = -Fl(rate * p);
  if (decay != 0) d = ZeroBelow(Fl(d - Fl(decay * w)), 0x1p-100F);
  w = Fl(w + d);
}

void NaiveReplica::Step(const std::vector<float>& row,
                        const std::vector<float>& x,
                        const std::vector<float>& scalars) {
  const size_t batch = session_.spec().batch_size();
  for (int k = 0; k < session_.layout().layers_size(); ++k) {
    const v1::LayerLayout& layer = session_.layout().layers(k);
    const size_t in = layer.inputs(), out = layer.outputs();
    const float* part = row.data() + layer.delta_begin();
    if (layer.delta_form() == v1::DELTA_FORM_DENSE) {
      for (size_t i = 0; i < out * (in + 1); ++i) {
        float& w = weights_[layer.weights_begin() + i];
        w = Fl(w + part[i]);
      }
      continue;
    }
    const size_t stride = k == 0 ? out : out + in;
    for (size_t i = 0; i < out; ++i) {
      // Column `in` stands for the bias.
      for (size_t j = 0; j <= in; ++j) {
        float g = 0;
        for (size_t sample = 0; sample < batch; ++sample) {
          const float u = part[sample * stride + i];
          const float a = j == in  ? 1
                          : k == 0 ? x[sample * in + j]
                                   : part[sample * stride + out + j];
          g = sample == 0 ? Fl(u * a) : Fl(g + Fl(u * a));
        }
        StepOne(j == in ? layer.bias_begin() + i
                        : layer.weights_begin() + i * in + j,
                g, scalars);
      }
    }
  }
}

}  // namespace backprop::testing
