// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/reference_optimiser.h"

#include <algorithm>
#include <cmath>

namespace backprop::testing {
namespace {

float ZeroBelow(float value, float limit) {
  return std::fabs(value) < limit ? 0.0F : value;
}

float Root(float value) { return Fl(std::sqrt(value)); }

// p of the optimiser. own: the scalars from position 5 on.
float Direction(const v1::Optimiser& optimiser, const float* own, float g,
                ReferenceWeight* weight) {
  float& m = weight->m;
  float& v = weight->v;
  if (optimiser.has_sgd()) {
    if (optimiser.sgd().momentum() == 0) return g;
    m = ZeroBelow(Fl(Fl(own[0] * m) + g), 0x1p-60F);
    return optimiser.sgd().nesterov() ? Fl(g + Fl(own[0] * m)) : m;
  }
  if (optimiser.has_adagrad()) {
    v = Fl(v + Fl(g * g));
    return Fl(g / Fl(Root(v) + own[0]));
  }
  if (optimiser.has_rms_prop()) {
    v = ZeroBelow(Fl(Fl(own[0] * v) + Fl(own[1] * Fl(g * g))), 0x1p-120F);
    return Fl(g / Fl(Root(v) + own[2]));
  }
  m = ZeroBelow(Fl(Fl(own[0] * m) + Fl(own[1] * g)), 0x1p-60F);
  v = ZeroBelow(Fl(Fl(own[2] * v) + Fl(own[3] * Fl(g * g))), 0x1p-120F);
  return Fl(m / Fl(Root(v) + own[4]));
}

}  // namespace

float ReferenceDelta(const v1::Optimiser& optimiser, const float* scalars,
                     float g, ReferenceWeight* weight) {
  const float rate = scalars[0];
  const float l2 = scalars[1];
  const float l1 = scalars[2];
  const float decay = scalars[3];
  const float clip = scalars[4];
  const float w = weight->w;
  if (clip != 0) g = std::min(std::max(g, -clip), clip);
  if (l2 != 0) g = ZeroBelow(Fl(g + Fl(l2 * w)), 0x1p-60F);
  if (l1 != 0 && w > 0) g = Fl(g + l1);
  if (l1 != 0 && w < 0) g = Fl(g - l1);
  const float p = Direction(optimiser, scalars + 5, g, weight);
  float delta = -Fl(rate * p);
  if (decay != 0) delta = ZeroBelow(Fl(delta - Fl(decay * w)), 0x1p-100F);
  return delta;
}

}  // namespace backprop::testing
