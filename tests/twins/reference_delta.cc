// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_delta.h"

#include <cmath>

namespace backprop::testing {
namespace {

// Rounds to float32 whatever the compiler would like to keep or fuse.
float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

float Root(float value) { return Fl(std::sqrt(value)); }

float Clipped(float g, float clip) {
  if (g > clip) return clip;
  if (g < -clip) return -clip;
  return g;
}

float Flushed(float value, float smallest) {
  return std::fabs(value) < smallest ? 0.0F : value;
}

// p; moves the state on.
float Direction(const Optimiser& optimiser, const float* own, float g, float* m,
                float* v) {
  switch (optimiser.kind) {
    case OptimiserKind::kSgd:
      if (optimiser.momentum == 0) return g;
      *m = Flushed(Fl(Fl(own[0] * *m) + g), 0x1p-60F);
      return optimiser.nesterov ? Fl(g + Fl(own[0] * *m)) : *m;
    case OptimiserKind::kAdagrad:
      *m = Fl(*m + Fl(g * g));
      return Fl(g / Fl(Root(*m) + own[0]));
    case OptimiserKind::kRmsProp:
      *m = Flushed(Fl(Fl(own[0] * *m) + Fl(own[1] * Fl(g * g))), 0x1p-120F);
      return Fl(g / Fl(Root(*m) + own[2]));
    case OptimiserKind::kAdam:
      break;
  }
  *m = Flushed(Fl(Fl(own[0] * *m) + Fl(own[1] * g)), 0x1p-60F);
  *v = Flushed(Fl(Fl(own[2] * *v) + Fl(own[3] * Fl(g * g))), 0x1p-120F);
  return Fl(*m / Fl(Root(*v) + own[4]));
}

// (2): g of weight (i, j), or of bias i where j is the number of inputs.
float Gradient(const Layout& layout, size_t k, const StepDelta& step, size_t i,
               size_t j) {
  const LayerLayout& layer = layout.layers()[k];
  float g = 0;
  for (size_t s = 0; s < layout.batch_size(); ++s) {
    const float* u = &step.row[layer.delta_begin + s * layer.outputs];
    const float* a = nullptr;
    if (k == 0) {
      a = &step.inputs[s * layer.inputs];
    } else {
      u += s * layer.inputs;
      a = u + layer.outputs;
    }
    const float term = j < layer.inputs ? Fl(u[i] * a[j]) : u[i];
    g = s == 0 ? term : Fl(g + term);
  }
  return g;
}

}  // namespace

float ReferenceWeightDelta(const Optimiser& optimiser,
                           std::span<const float> scalars, float g, float w,
                           float* m, float* v) {
  const float rate = scalars[0];
  const float l2 = scalars[1];
  const float l1 = scalars[2];
  const float decay = scalars[3];
  const float clip = scalars[4];
  if (clip != 0) g = Clipped(g, clip);
  if (l2 != 0) g = Flushed(Fl(g + Fl(l2 * w)), 0x1p-60F);
  if (l1 != 0 && w > 0) g = Fl(g + l1);
  if (l1 != 0 && w < 0) g = Fl(g - l1);
  const float p = Direction(optimiser, &scalars[5], g, m, v);
  float delta = -Fl(rate * p);
  if (decay != 0) delta = Flushed(Fl(delta - Fl(decay * w)), 0x1p-100F);
  return delta;
}

std::vector<float> ApplyReferenceStep(const Layout& layout,
                                      const Optimiser& optimiser,
                                      const StepDelta& step,
                                      std::span<float> weights,
                                      std::span<float> state) {
  const bool gradient = FactorKindOf(optimiser) == FactorKind::kGradient;
  const size_t count = layout.weight_count();
  std::vector<float> delta(count);
  for (size_t k = 0; k < layout.layers().size(); ++k) {
    const LayerLayout& layer = layout.layers()[k];
    for (size_t n = 0; n < (layer.inputs + 1) * layer.outputs; ++n) {
      const size_t at = layer.weights_begin + n;
      const bool bias = at >= layer.bias_begin;
      const size_t i = bias ? at - layer.bias_begin : n / layer.inputs;
      const size_t j = bias ? layer.inputs : n % layer.inputs;
      if (layer.form == DeltaForm::kDense) {
        delta[at] = step.row[layer.delta_begin + n];
      } else {
        const float g = Gradient(layout, k, step, i, j);
        float* m = state.size() > 0 ? &state[at] : nullptr;
        float* v = state.size() > count ? &state[count + at] : nullptr;
        delta[at] = gradient ? ReferenceWeightDelta(optimiser, step.scalars, g,
                                                    weights[at], m, v)
                             : g;
      }
      weights[at] = Fl(weights[at] + delta[at]);
    }
  }
  return delta;
}

}  // namespace backprop::testing
