// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/contract_twin.h"

#include <algorithm>
#include <cmath>

namespace backprop::testing {
namespace {

// "then 0 where |value| < limit".
float ZeroBelow(float value, float limit) {
  return std::fabs(value) < limit ? 0.0F : value;
}

float Root(float value) { return Fl(std::sqrt(value)); }

// p. own: the rule's own scalars, from position 5 on.
float Direction(TwinRule rule, const float* own, float g, float* state) {
  switch (rule) {
    case TwinRule::kNone:
    case TwinRule::kSgd:
      break;
    case TwinRule::kMomentum: {
      float& m = state[0];
      m = Fl(Fl(own[0] * m) + g);
      return m;
    }
    case TwinRule::kNesterov: {
      float& m = state[0];
      m = Fl(Fl(own[0] * m) + g);
      return Fl(g + Fl(own[0] * m));
    }
    case TwinRule::kAdagrad: {
      float& v = state[0];
      v = Fl(v + Fl(g * g));
      return Fl(g / Fl(Root(v) + own[0]));
    }
    case TwinRule::kRmsProp: {
      float& v = state[0];
      v = Fl(Fl(own[0] * v) + Fl(own[1] * Fl(g * g)));
      return Fl(g / Fl(Root(v) + own[2]));
    }
    case TwinRule::kAdam: {
      float& m = state[0];
      float& v = state[1];
      m = Fl(Fl(own[0] * m) + Fl(own[1] * g));
      v = Fl(Fl(own[2] * v) + Fl(own[3] * Fl(g * g)));
      return Fl(m / Fl(Root(v) + own[4]));
    }
    case TwinRule::kLion: {
      float& m = state[0];
      const float c = Fl(Fl(own[0] * m) + Fl(own[1] * g));
      m = Fl(Fl(own[2] * m) + Fl(own[3] * g));
      if (c > 0) return 1;
      return c < 0 ? -1.0F : 0.0F;
    }
  }
  return g;
}

// What ends the steps whose number is a multiple of 64.
void Flush(TwinRule rule, float* state) {
  switch (rule) {
    case TwinRule::kNone:
    case TwinRule::kSgd:
    case TwinRule::kAdagrad:
      return;
    case TwinRule::kMomentum:
    case TwinRule::kNesterov:
    case TwinRule::kLion:
      state[0] = ZeroBelow(state[0], 0x1p-60F);
      return;
    case TwinRule::kRmsProp:
      state[0] = ZeroBelow(state[0], 0x1p-120F);
      return;
    case TwinRule::kAdam:
      state[0] = ZeroBelow(state[0], 0x1p-60F);
      state[1] = ZeroBelow(state[1], 0x1p-120F);
      return;
  }
}

// (2) of layer k's weight (i, j), or of its bias i where j is `inputs`.
float Product(const TwinSession& session, size_t k, const TwinStep& step,
              size_t i, size_t j) {
  const TwinLayer& layer = session.layers[k];
  const float* part = &step.row[layer.delta_begin];
  const size_t stride = k == 0 ? layer.outputs : layer.outputs + layer.inputs;
  float g = 0;
  for (size_t s = 0; s < session.batch_size; ++s) {
    const float* u = part + s * stride;
    const float* a =
        k == 0 ? step.x.data() + s * layer.inputs : u + layer.outputs;
    const float term = j < layer.inputs ? Fl(u[i] * a[j]) : u[i];
    g = s == 0 ? term : Fl(g + term);
  }
  return g;
}

// D of weight `at` of a FACTORED layer; its state moved on.
float FactoredDelta(const TwinSession& session, const TwinStep& step, float g,
                    size_t at, std::span<float> weights,
                    std::span<float> state) {
  if (session.rule == TwinRule::kNone) return g;
  const size_t vectors = state.size() / weights.size();
  float own[2] = {};
  for (size_t n = 0; n < vectors; ++n) own[n] = state[n * weights.size() + at];
  const float delta =
      WeightDelta(session.rule, step.scalars, step.number, g, weights[at], own);
  for (size_t n = 0; n < vectors; ++n) state[n * weights.size() + at] = own[n];
  return delta;
}

}  // namespace

float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

float WeightDelta(TwinRule rule, std::span<const float> scalars,
                  uint64_t number, float g, float w, float* state) {
  const float rate = scalars[0];
  const float l2 = scalars[1];
  const float l1 = scalars[2];
  const float decay = scalars[3];
  const float clip = scalars[4];
  if (clip != 0) g = std::min(std::max(g, -clip), clip);
  if (l2 != 0) g = ZeroBelow(Fl(g + Fl(l2 * w)), 0x1p-60F);
  if (l1 != 0 && w > 0) g = Fl(g + l1);
  if (l1 != 0 && w < 0) g = Fl(g - l1);
  const float p = Direction(rule, &scalars[5], g, state);
  float delta = -Fl(rate * p);
  if (decay != 0) delta = ZeroBelow(Fl(delta - Fl(decay * w)), 0x1p-100F);
  if (number % 64 == 0) Flush(rule, state);
  return delta;
}

std::vector<float> TakeStep(const TwinSession& session, const TwinStep& step,
                            std::span<float> weights, std::span<float> state) {
  std::vector<float> delta(weights.size());
  for (size_t k = 0; k < session.layers.size(); ++k) {
    const TwinLayer& layer = session.layers[k];
    for (size_t i = 0; i < layer.outputs; ++i) {
      // Column `inputs` stands for the bias.
      for (size_t j = 0; j <= layer.inputs; ++j) {
        const size_t at = j < layer.inputs
                              ? layer.weights_begin + i * layer.inputs + j
                              : layer.bias_begin + i;
        // In the row of a DENSE layer the bias follows the matrix, as here.
        delta[at] =
            layer.dense
                ? step.row[layer.delta_begin + at - layer.weights_begin]
                : FactoredDelta(session, step, Product(session, k, step, i, j),
                                at, weights, state);
        weights[at] = Fl(weights[at] + delta[at]);
      }
    }
  }
  return delta;
}

}  // namespace backprop::testing
