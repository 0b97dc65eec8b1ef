// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_row.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/contract/factors.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/blas.h"
#include "engine/kernels/magnitude.h"
#include "engine/training/gradient_norm.h"

namespace backprop {

void StepRow::Write() {
  for (size_t k = 0; k < depth(); ++k) {
    if (dense(k)) {
      WriteProduct(k);
    } else {
      WriteFactors(k);
    }
  }
}

void StepRow::WriteFactors(size_t k) {
  const LayerLayout& at = layer(k);
  float* part = Part(k).data();
  for (size_t s = 0; s < batch(); ++s) {
    part = std::copy_n(signals_.u(k).data() + s * at.outputs, at.outputs, part);
    if (k == 0) continue;
    part = std::copy_n(Below(k).data() + s * at.inputs, at.inputs, part);
  }
}

// Uᵀ·A, then the sum of U's rows.
void StepRow::WriteProduct(size_t k) {
  const LayerLayout& at = layer(k);
  const float* u = signals_.u(k).data();
  blas::Multiply(at.outputs, at.inputs, batch(), 1,
                 {u, at.outputs, blas::Op::kTransposed},
                 {Below(k).data(), at.inputs}, 0, Part(k).data(), at.inputs);
  const auto bias = Part(k).last(at.outputs);
  std::copy_n(u, at.outputs, bias.begin());
  for (size_t s = 1; s < batch(); ++s) {
    for (size_t i = 0; i < bias.size(); ++i) bias[i] += u[s * at.outputs + i];
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
    const double part = dense(k)
                            ? LargestMagnitude(Part(k).data(), Part(k).size())
                            : FactorBound(k);
    if (!(part <= bound)) bound = part;  // also if it is NaN …
    if (std::isnan(bound)) break;        // … which then stays
  }
  return bound;
}

// Σ_s max|u|·max(1, max|a|), 1 being the bias's, and the roundings of the sum.
double StepRow::FactorBound(size_t k) const {
  const LayerLayout& at = layer(k);
  const Factors factors = FactorsOf(layout_, k, row_, inputs_);
  double bound = 0;
  for (size_t s = 0; s < batch(); ++s) {
    const double u =
        LargestMagnitude(factors.u + s * factors.u_stride, at.outputs);
    const double a =
        LargestMagnitude(factors.a + s * factors.a_stride, at.inputs);
    bound += u * (a < 1 ? 1 : a);
  }
  return bound * (1 + static_cast<double>(batch() - 1) * 0x1p-23);
}

void StepRow::MakeDense(std::span<const float> scalars,
                        std::span<float> weights, std::span<float> state) {
  if (FactorKindOf(optimiser_) == FactorKind::kDelta) return;
  for (size_t k = 0; k < depth(); ++k) {
    if (!dense(k)) continue;
    const size_t begin = layer(k).weights_begin;
    const size_t length = layer(k).delta_length;
    WeightRun run{weights.subspan(begin, length), {}};
    for (size_t i = 0; i < StateCount(optimiser_); ++i) {
      run.state[i] = state.subspan(i * layout_.weight_count() + begin, length);
    }
    GradientToDelta(optimiser_, scalars, run, Part(k));
  }
}

}  // namespace backprop
