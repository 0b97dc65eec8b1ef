// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_row.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/contract/factors.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/magnitude.h"
#include "engine/training/delta_row.h"
#include "engine/training/gradient_norm.h"

namespace backprop {

void StepRow::Write() {
  for (size_t k = 0; k < depth(); ++k) {
    if (dense(k)) {
      WriteProduct(k);
    } else {
      WriteDelta(layout_, k, signals_.u(k), signals_.seen(k), row_.data());
    }
  }
}

// Uᵀ·A, then the sum of U's rows.
void StepRow::WriteProduct(size_t k) {
  const LayerLayout& at = layer(k);
  const Rows u = signals_.u(k);
  const Rows a = signals_.seen(k);
  blas::Multiply(at.outputs, at.inputs, batch(), 1,
                 {u.data, u.stride, blas::Op::kTransposed}, {a.data, a.stride},
                 0, Part(k).data(), at.inputs);
  const auto bias = Part(k).last(at.outputs);
  std::copy_n(u[0], at.outputs, bias.begin());
  for (size_t s = 1; s < batch(); ++s) {
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += u[s][i];
  }
}

double StepRow::Norm() const {
  double sum = 0;
  for (size_t k = 0; k < depth(); ++k) {
    sum += dense(k) ? SquaredNorm(Part(k))
                    : SquaredNorm(FactorsOf(layout_, k, row_, inputs_),
                                  layer(k).outputs, layer(k).inputs);
  }
  return std::sqrt(sum);
}

void StepRow::Scale(float factor) {
  if (factor == 1) return;
  for (size_t k = 0; k < depth(); ++k) {
    if (dense(k)) {
      for (float& value : Part(k)) value *= factor;
    } else {
      ScaleFactors(k, factor);
    }
  }
}

// u of every sample.
void StepRow::ScaleFactors(size_t k, float factor) {
  const size_t stride = Part(k).size() / batch();
  for (size_t s = 0; s < batch(); ++s) {
    const auto u = Part(k).subspan(s * stride, layer(k).outputs);
    for (float& value : u) value *= factor;
    FlushSmall(u);
  }
}

double StepRow::Bound() const {
  double bound = 0;
  for (size_t k = 0; k < depth(); ++k) {
    bound =
        std::max(BoundOf(k), bound);  // in this order NaN becomes the bound …
    if (std::isnan(bound)) break;     // … and then stays
  }
  return bound;
}

double StepRow::BoundOf(size_t k) const {
  if (dense(k)) return LargestMagnitude(Part(k).data(), Part(k).size());
  const Factors factors = FactorsOf(layout_, k, row_, inputs_);
  return FactorBound({factors.u, factors.u_stride}, layer(k).outputs,
                     {factors.a, factors.a_stride}, layer(k).inputs, batch());
}

void StepRow::MakeDense(uint64_t number, std::span<const float> scalars,
                        std::span<float> weights, std::span<float> state) {
  if (layout_.is_plain()) return;
  for (size_t k = 0; k < depth(); ++k) {
    if (!dense(k)) continue;
    const size_t begin = layer(k).weights_begin;
    const size_t length = layer(k).delta_length;
    WeightRun run{weights.subspan(begin, length), {}};
    for (size_t i = 0; i < layout_.state_count(); ++i) {
      run.state[i] = state.subspan(i * layout_.weight_count() + begin, length);
    }
    GradientToDelta({number, layout_.rule(), scalars}, run, Part(k));
  }
}

}  // namespace backprop
