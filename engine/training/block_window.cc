// SPDX-License-Identifier: Apache-2.0
#include "engine/training/block_window.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/contract/factors.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/magnitude.h"
#include "engine/kernels/row_sum.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"

namespace backprop {
namespace {

// What an earlier layer's pre-activations may miss of the block's own steps,
// relative to the largest of them and 1: 8 units of rounding, less than the
// product with some hundred weights is off already.
constexpr float kTolerance = 0x1p-20F;

}  // namespace

void BlockWindow::Prepare(const Training& training, const TrainRun& run,
                          size_t pivot, size_t rows) {
  training_ = &training;
  run_ = &run;
  depth_ = training.layout->layers().size();
  pivot_ = pivot;
  broken_.resize(rows);
  bounds_.resize(rows);
  step_bounds_ = {};
  layers_.Prepare(training, run, pivot, rows);
  const size_t size = Padded(training.layout->layers()[pivot].outputs);
  std::fill_n(next_.Get(size), size, 0.0F);
}

void BlockWindow::Begin(size_t first, size_t count) {
  first_ = first;
  swept_ = 0;
  layers_.Load(first, count);
  const auto direct = run_->weights.subspan(DirectBegin());
  direct_weights_.assign(direct.begin(), direct.end());
}

BlockWindow::Outcome BlockWindow::Sweep(Window window) {
  ForgetEarlier(window);
  ForwardEarlier(window);
  SweepPivot(window);
  BackwardEarlier(window);
  const size_t converged = Converged(window);
  const size_t allowed = Allowed({window.begin, window.begin + converged});
  AcceptDirect(window, allowed);
  if (allowed < converged) {
    const bool first = window.begin + allowed == 0;
    return {.accepted = allowed, .broken = first, .undecided = !first};
  }
  // What broke the first sample breaks it for good: nothing is unknown to it.
  return {.accepted = converged, .broken = broken_[window.begin] != 0};
}

void BlockWindow::Apply(size_t accepted) {
  layers_.Apply(first_, accepted);
  std::copy(direct_weights_.begin(), direct_weights_.end(),
            run_->weights.subspan(DirectBegin()).begin());
}

// What a sweep begins with: nothing is known of steps that none has seen.
void BlockWindow::ForgetEarlier(Window window) {
  std::fill_n(&broken_[window.begin], window.size(), 0);
  std::fill_n(&bounds_[window.begin], window.size(), 0);
  if (window.end <= swept_) return;
  for (size_t k = 0; k < pivot_; ++k) {
    const MutableRows& u = layers_[k].u;
    std::fill(u[swept_], u[window.end], 0.0F);
  }
  swept_ = window.end;
}

// z^t with the weights that the steps before t leave, in the window with u of
// the last sweep that saw them; from the first layer up to the pivot's base.
void BlockWindow::ForwardEarlier(Window window) {
  for (size_t k = 0; k < pivot_; ++k) {
    const BlockLayer& layer = layers_[k];
    const size_t size = layer.w.rows;
    layers_.Correct(k, window, layer.z);
    for (size_t t = window.begin; t < window.end; ++t) {
      const float largest =
          ActivateAndFlush(*layer.spec, layer.z[t], layer.f[t], size);
      if (largest <= kLargestDelta) continue;
      // A sample that later sweeps may mend, or the end of the run. Its zeros
      // disturb none of the samples before it.
      broken_[t] = 1;
      std::fill_n(layer.f[t], size, 0.0F);
    }
    layers_.Correlate(k + 1, window);
  }
}

void BlockWindow::SweepPivot(Window window) {
  const BlockLayer& layer = layers_[pivot_];
  if (has_direct()) {
    direct_.Load(*training_, pivot_ + 1, direct_weights_);
  }
  for (size_t t = window.begin; t < window.end; ++t) {
    std::copy_n(layer.base[t], layer.w.rows, layer.z[t]);
    AddSum(layer.gram[t], layer.u, t, layer.w.rows, layer.z[t]);
    const bool good = StepPivot(t);
    MakeFactor(pivot_, t, good);
    if (broken_[t] && pivot_ == 0) return;  // Nothing will mend it.
  }
}

// Everything above the pivot's z of row t: error, outputs, the pivot's signal.
bool BlockWindow::StepPivot(size_t t) {
  const BlockLayer& layer = layers_[pivot_];
  const size_t size = layer.w.rows;
  const size_t sample = first_ + t;
  const float* const target = TargetOf(*training_, *run_, sample);
  float* const output = OutputOf(*training_, *run_, sample);
  const float weight = WeightOf(*run_, sample);
  float* const error = &run_->errors[sample];
  float* const a = next_.Get(Padded(size));
  ActivateAndFlush(*layer.spec, layer.z[t], a, size);
  if (has_direct()) {
    const bool good =
        direct_.Step({a, target, DeltaRowOf(*training_, *run_, sample), output,
                      layer.signal[t], layers_.rate(t), weight},
                     error);
    MultiplyByDerivative(*layer.spec, {layer.z[t], size}, {a, size},
                         {layer.signal[t], size});
    return good;
  }
  *error = static_cast<float>(ErrorAndSignal(
      *training_->network, {{layer.z[t], size}, {a, size}, {target, size}},
      {layer.signal[t], size}, weight));
  if (output != nullptr) std::copy_n(a, size, output);
  return std::isfinite(*error);
}

// u of row t; zeros, and the row broken, if it makes no step.
void BlockWindow::MakeFactor(size_t k, size_t t, bool good) {
  const BlockLayer& layer = layers_[k];
  const float u = ScaleAndFlush(layers_.scale(t), layer.signal[t], layer.u[t],
                                layer.w.rows);
  const double bound =
      FactorBound(u, LargestMagnitude(layer.a[t], layer.w.cols));
  bounds_[t] = std::max(bounds_[t], bound);
  if (good && bound <= kLargestDelta) return;
  broken_[t] = 1;
  std::fill_n(layer.u[t], layer.w.rows, 0.0F);
  std::fill_n(layer.signal[t], layer.w.rows, 0.0F);
}

void BlockWindow::BackwardEarlier(Window window) {
  for (size_t k = pivot_; k > 0; --k) {
    layers_.Propagate(k, window);
    for (size_t t = window.begin; t < window.end; ++t) {
      MakeFactor(k - 1, t, true);
    }
  }
}

// How many samples, from the window's first on, saw earlier layers as the steps
// before them leave those: z with this sweep's factors is z as it was used.
size_t BlockWindow::Converged(Window window) {
  size_t sound = window.begin;
  while (sound < window.end && broken_[sound] == 0) ++sound;
  window.end = sound;
  for (size_t k = 0; k < pivot_; ++k) {
    const BlockLayer& layer = layers_[k];
    const size_t size = layer.w.rows;
    const MutableRows moved = layers_.spare(size);
    layers_.Correct(k, window, moved);
    for (size_t t = window.begin; t < window.end; ++t) {
      const float bound =
          kTolerance * std::max(1.0F, LargestMagnitude(layer.z[t], size));
      if (LargestDifference(moved[t], layer.z[t], size) <= bound) continue;
      window.end = t;
    }
  }
  return window.size();
}

// How many steps of the window delta.proto (6) lets pass, as far as the block
// can tell: the weights themselves can be looked at only before its first step.
size_t BlockWindow::Allowed(Window window) {
  const Layout& layout = *training_->layout;
  if (layout.is_plain()) return window.size();  // MakeFactor has looked
  const size_t count = layout.scalar_count();
  for (size_t t = window.begin; t < window.end; ++t) {
    const auto scalars = run_->scalars.subspan((first_ + t) * count, count);
    if (step_bounds_.AllowUnseen(layout.rule(), scalars, bounds_[t])) continue;
    if (t == 0 && step_bounds_.Allow(layout.rule(), scalars, bounds_[t],
                                     run_->weights, run_->state)) {
      continue;
    }
    step_bounds_ = {};
    return t - window.begin;
  }
  return window.size();
}

// Where the direct layers begin in the weight vector.
size_t BlockWindow::DirectBegin() const {
  return has_direct() ? training_->layout->layers()[pivot_ + 1].weights_begin
                      : training_->layout->weight_count();
}

// Brings the direct layers' weights to what the accepted samples make of them.
void BlockWindow::AcceptDirect(Window window, size_t accepted) {
  if (!has_direct()) return;
  if (accepted == window.size()) {
    direct_.Store(direct_weights_);
    return;
  }
  // direct_ is ahead of the steps that were accepted; the delta rows aren't.
  const Layout& layout = *training_->layout;
  const size_t row = layout.delta_row_length();
  for (size_t k = pivot_ + 1; k < depth_; ++k) {
    const LayerLayout& at = layout.layers()[k];
    const float* const part =
        DeltaRowOf(*training_, *run_, first_ + window.begin) + at.delta_begin;
    float* const w = direct_weights_.data() + at.weights_begin - DirectBegin();
    if (at.form == DeltaForm::kDense) {  // the bias follows W in both
      Factors d = AsFactors(part);
      d.a_stride = row;
      d.samples = accepted;
      RunSteps(PassSteps::Plain(), d, {1, at.delta_length, w});
      continue;
    }
    const Factors factors{part, row, part + at.outputs, row, accepted};
    RunSteps(PassSteps::Plain(), factors, {at.outputs, at.inputs, w});
    RunSteps(PassSteps::Plain(), BiasFactors(factors),
             {1, at.outputs, w + (at.bias_begin - at.weights_begin)});
  }
}

}  // namespace backprop
