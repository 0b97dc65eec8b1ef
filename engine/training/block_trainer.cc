// SPDX-License-Identifier: Apache-2.0
#include "engine/training/block_trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/kernels/magnitude.h"
#include "engine/kernels/rank_update.h"
#include "engine/kernels/row_sum.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"

namespace backprop {
namespace {

// Direct layers' weights, in numbers: what half the usual first-level cache
// holds, and what a sample can go through three times without waiting.
constexpr size_t kDirectWeights = 8192;

// From so many weights on, and up to so many layers, a block of steps by an
// optimiser with state or decay is faster than its steps one by one: 1.0 to 1.3
// times. In deeper networks each sweep costs two products more than the passes
// over the weights that it saves (engine/README.md).
constexpr size_t kLinearWeights = size_t{1} << 16;
constexpr size_t kLinearLayers = 2;

// Samples of a block. The Gram matrix costs samples/2 products an input where
// the layer costs `outputs`, and loading and storing the weights 1/samples of
// an update: 32 is about even for 100 to 1000 outputs.
constexpr size_t kBlock = 32;

// Samples of a window: with weights that lie in the caches the 8 that the
// products take at once, as the fewer they are, the fewer sweeps they need;
// with larger weights as many as it takes to read them seldom.
constexpr size_t kWindow = 8;
constexpr size_t kCachedWeights = size_t{1} << 21;
constexpr size_t kLargeBlock = 64;

// Sweeps before a window is cut short.
constexpr size_t kMostSweeps = 8;

// What an earlier layer's pre-activations may miss of the block's own steps,
// relative to the largest of them and 1: 8 units of rounding, less than the
// product with some hundred weights is off already.
constexpr float kTolerance = 0x1p-20F;

// The first layer of the longest direct end of the network.
size_t FirstDirect(const Layout& layout) {
  size_t first = layout.layers().size();
  size_t weights = 0;
  while (first > 0) {
    const LayerLayout& layer = layout.layers()[first - 1];
    weights += layer.outputs * (layer.inputs + 1);
    if (weights > kDirectWeights) break;
    --first;
  }
  return first;
}

}  // namespace

bool BlockTrainer::Takes(const Training& training) {
  if (training.layout->batch_size() != 1) return false;
  if (IsPlainDescent(training)) return true;
  const auto& layers = training.network->layers;
  return Recurrence::Covers(*training.optimiser) &&
         layers.size() <= kLinearLayers &&
         training.layout->weight_count() >= kLinearWeights &&
         std::all_of(layers.begin(), layers.end(),
                     [](const LayerSpec& layer) { return layer.dropout == 0; });
}

float* BlockTrainer::RowOf(size_t sample) const {
  return run_->deltas.data() + sample * training_->layout->delta_row_length();
}

const float* BlockTrainer::TargetOf(size_t sample) const {
  return run_->targets.data() + sample * training_->layout->output_size();
}

float BlockTrainer::WeightOf(size_t sample) const {
  return run_->sample_weights.empty() ? 1 : run_->sample_weights[sample];
}

float BlockTrainer::RateOf(size_t sample) const {
  return training_->rate->Rate(training_->ahead + sample);
}

float* BlockTrainer::OutputOf(size_t sample) const {
  if (run_->outputs.empty()) return nullptr;
  return run_->outputs.data() + sample * training_->layout->output_size();
}

size_t BlockTrainer::Train(const Training& training, const TrainRun& run) {
  training_ = &training;
  run_ = &run;
  depth_ = training.layout->layers().size();
  rule_ = RuleOf(*training.optimiser);
  // Layers that each sample updates at once know no rule.
  const size_t first_direct =
      rule_ == Rule::kNone ? FirstDirect(*training.layout) : depth_;
  if (first_direct == 0) return TrainDirect();
  pivot_ = first_direct - 1;
  Prepare();
  const size_t samples = run.errors.size();
  size_t done = 0;
  while (done < samples) {
    const size_t count = std::min(broken_.size(), samples - done);
    const Outcome outcome = TrainBlock(done, count);
    Apply(done, outcome.accepted);
    done += outcome.accepted;
    if (outcome.broken) break;
  }
  return done;
}

size_t BlockTrainer::TrainDirect() {
  const size_t size = training_->layout->input_size();
  const size_t samples = run_->errors.size();
  const MutableRows inputs{direct_inputs_.Get(kBlock * Padded(size)),
                           Padded(size)};
  std::fill_n(inputs.data, kBlock * inputs.stride, 0.0F);
  direct_.Load(*training_, 0, run_->weights);
  size_t t = 0;
  for (; t < samples; ++t) {
    if (t % kBlock == 0) {
      for (size_t s = t; s < std::min(samples, t + kBlock); ++s) {
        std::copy_n(run_->inputs.data() + s * size, size, inputs[s % kBlock]);
      }
    }
    if (!direct_.Step({inputs[t % kBlock], TargetOf(t), RowOf(t), OutputOf(t),
                       nullptr, RateOf(t), WeightOf(t)},
                      &run_->errors[t])) {
      break;
    }
  }
  direct_.Store(run_->weights);
  return t;
}

void BlockTrainer::Prepare() {
  const Layout& layout = *training_->layout;
  const bool large = pivot_ > 0 && layout.weight_count() > kCachedWeights;
  const size_t block = large ? kLargeBlock : kBlock;
  const size_t rows = std::min(run_->errors.size(), block);
  most_window_ = pivot_ == 0 || large ? block : kWindow;
  window_ = most_window_;
  broken_.resize(rows);
  bounds_.resize(rows);
  step_bounds_ = {};
  layers_.Prepare(*training_, *run_, pivot_, rows);
  const size_t size = Padded(layout.layers()[pivot_].outputs);
  std::fill_n(next_.Get(size), size, 0.0F);
}

BlockTrainer::Outcome BlockTrainer::TrainBlock(size_t first, size_t count) {
  layers_.Load(first, count);
  const auto direct = run_->weights.subspan(DirectBegin());
  direct_weights_.assign(direct.begin(), direct.end());
  Outcome block;
  while (block.accepted < count && !block.broken) {
    const Window window{block.accepted,
                        std::min(block.accepted + window_, count)};
    const Outcome outcome = TrainWindow(first, window);
    const size_t allowed =
        Allowed(first, {window.begin, window.begin + outcome.accepted});
    AcceptDirect(first, window, allowed);
    block.accepted += allowed;
    if (allowed < outcome.accepted) {
      block.broken = block.accepted == 0;
      return block;
    }
    block.broken = outcome.broken;
    if (pivot_ > 0) AdaptWindow(outcome, window.size());
  }
  return block;
}

// How many steps of the window delta.proto (6) lets pass, as far as the block
// can tell: the weights themselves can be looked at only before its first step.
size_t BlockTrainer::Allowed(size_t first, Window window) {
  if (rule_ == Rule::kNone) return window.size();  // MakeFactor has looked
  const size_t count = ScalarCount(*training_->optimiser);
  for (size_t t = window.begin; t < window.end; ++t) {
    const auto scalars = run_->scalars.subspan((first + t) * count, count);
    if (step_bounds_.AllowUnseen(rule_, scalars, bounds_[t])) continue;
    if (t == 0 && step_bounds_.Allow(rule_, scalars, bounds_[t], run_->weights,
                                     run_->state)) {
      continue;
    }
    step_bounds_ = {};
    return t - window.begin;
  }
  return window.size();
}

BlockTrainer::Outcome BlockTrainer::TrainWindow(size_t first, Window window) {
  for (size_t k = 0; k < pivot_; ++k) {  // nothing is known of these steps
    const MutableRows& u = layers_[k].u;
    std::fill(u[window.begin], u[window.end], 0.0F);
  }
  Outcome outcome;
  for (;; ++outcome.sweeps) {
    std::fill(broken_.begin() + window.begin, broken_.begin() + window.end, 0);
    std::fill(bounds_.begin() + window.begin, bounds_.begin() + window.end, 0);
    ForwardEarlier(window);
    SweepPivot(first, window);
    BackwardEarlier(window);
    outcome.accepted = Converged(window);
    // What broke the first sample breaks it for good: nothing is unknown to it.
    outcome.broken = broken_[window.begin];
    if (outcome.accepted == window.size() || outcome.broken || pivot_ == 0 ||
        outcome.sweeps == kMostSweeps) {
      return outcome;
    }
  }
}

// Where steps are so large that a window needs many sweeps, shorter windows
// need less in all.
void BlockTrainer::AdaptWindow(const Outcome& outcome, size_t tried) {
  if (outcome.accepted < tried) {
    window_ = std::max<size_t>(1, outcome.accepted);
  } else if (outcome.sweeps > 5) {
    window_ = std::max<size_t>(1, tried / 2);
  } else if (outcome.sweeps < 5) {
    window_ = std::min(most_window_, 2 * window_);
  }
}

// Where the direct layers begin in the weight vector.
size_t BlockTrainer::DirectBegin() const {
  return pivot_ + 1 < depth_
             ? training_->layout->layers()[pivot_ + 1].weights_begin
             : training_->layout->weight_count();
}

// z^t with the weights that the steps before t leave, in the window with u of
// the last sweep; from the first layer up to the pivot's base.
void BlockTrainer::ForwardEarlier(Window window) {
  for (size_t k = 0; k < pivot_; ++k) {
    const BlockLayer& layer = layers_[k];
    const BlockLayer& above = layers_[k + 1];
    const size_t size = layer.w.rows;
    layers_.Correct(k, window, layer.z);
    for (size_t t = window.begin; t < window.end; ++t) {
      const float largest =
          ActivateAndFlush(*layer.spec, layer.z[t], above.a[t], size);
      if (largest <= kLargestDelta) continue;
      // A sample that later sweeps may mend, or the end of the run. Its zeros
      // disturb none of the samples before it.
      broken_[t] = 1;
      std::fill_n(above.a[t], size, 0.0F);
    }
    layers_.Correlate(k + 1, window);
  }
}

void BlockTrainer::SweepPivot(size_t first, Window window) {
  const BlockLayer& layer = layers_[pivot_];
  if (pivot_ + 1 < depth_) {
    direct_.Load(*training_, pivot_ + 1, direct_weights_);
  }
  for (size_t t = window.begin; t < window.end; ++t) {
    std::copy_n(layer.base[t], layer.w.rows, layer.z[t]);
    AddSum(layer.gram[t], layer.u, t, layer.w.rows, layer.z[t]);
    const bool good = StepPivot(first + t, t);
    MakeFactor(pivot_, t, good);
    if (broken_[t] && pivot_ == 0) return;  // Nothing will mend it.
  }
}

// u of row t; zeros, and the row broken, if it makes no step.
void BlockTrainer::MakeFactor(size_t k, size_t t, bool good) {
  const BlockLayer& layer = layers_[k];
  const float u = ScaleAndFlush(layers_.scale(t), layer.signal[t], layer.u[t],
                                layer.w.rows);
  // 1 is for the bias; in this order std::max keeps NaN.
  const double bound =
      u * std::max(double{LargestMagnitude(layer.a[t], layer.w.cols)}, 1.0);
  bounds_[t] = std::max(bounds_[t], bound);
  if (good && bound <= kLargestDelta) return;
  broken_[t] = 1;
  std::fill_n(layer.u[t], layer.w.rows, 0.0F);
  std::fill_n(layer.signal[t], layer.w.rows, 0.0F);
}

// Everything above the pivot's z of row t: error, outputs, the pivot's signal.
bool BlockTrainer::StepPivot(size_t sample, size_t t) {
  const BlockLayer& layer = layers_[pivot_];
  const size_t size = layer.w.rows;
  float* const a = next_.Get(Padded(size));
  ActivateAndFlush(*layer.spec, layer.z[t], a, size);
  float* const error = &run_->errors[sample];
  if (pivot_ + 1 < depth_) {
    const bool good =
        direct_.Step({a, TargetOf(sample), RowOf(sample), OutputOf(sample),
                      layer.signal[t], layers_.rate(t), WeightOf(sample)},
                     error);
    MultiplyByDerivative(*layer.spec, {layer.z[t], size}, {a, size},
                         {layer.signal[t], size});
    return good;
  }
  *error = static_cast<float>(
      ErrorAndSignal(*training_->network,
                     {{layer.z[t], size}, {a, size}, {TargetOf(sample), size}},
                     {layer.signal[t], size}, WeightOf(sample)));
  if (OutputOf(sample) != nullptr) std::copy_n(a, size, OutputOf(sample));
  return std::isfinite(*error);
}

void BlockTrainer::BackwardEarlier(Window window) {
  for (size_t k = pivot_; k > 0; --k) {
    layers_.Propagate(k, window);
    for (size_t t = window.begin; t < window.end; ++t) {
      MakeFactor(k - 1, t, true);
    }
  }
}

// How many samples, from the window's first on, saw earlier layers as the steps
// before them leave those: z with this sweep's factors is z as it was used.
size_t BlockTrainer::Converged(Window window) {
  const auto begin = broken_.begin();
  window.end = std::find(begin + window.begin, begin + window.end, 1) - begin;
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

// Brings the direct layers' weights to what the accepted samples make of them.
void BlockTrainer::AcceptDirect(size_t first, Window window, size_t accepted) {
  if (pivot_ + 1 == depth_) return;
  if (accepted == window.size()) {
    direct_.Store(direct_weights_);
    return;
  }
  // direct_ is ahead of the steps that were accepted; the delta rows aren't.
  const Layout& layout = *training_->layout;
  for (size_t k = pivot_ + 1; k < depth_; ++k) {
    const LayerLayout& at = layout.layers()[k];
    const Rows part{RowOf(first + window.begin) + at.delta_begin,
                    layout.delta_row_length()};
    float* const w = direct_weights_.data() + at.weights_begin - DirectBegin();
    if (at.form == DeltaForm::kDense) {
      for (size_t t = 0; t < accepted; ++t) {
        for (size_t i = 0; i < at.delta_length; ++i) w[i] += part[t][i];
      }
    } else {
      const Rows a{part.data + at.outputs, part.stride};
      ApplySteps({part, a, accepted, at.outputs, at.inputs}, w,
                 w + (at.bias_begin - at.weights_begin), scratch_);
    }
  }
}

// Writes the delta rows and brings weights and state to the block's end.
void BlockTrainer::Apply(size_t first, size_t accepted) {
  layers_.Apply(first, accepted);
  std::copy(direct_weights_.begin(), direct_weights_.end(),
            run_->weights.begin() + DirectBegin());
}

}  // namespace backprop
