// SPDX-License-Identifier: Apache-2.0
#include "engine/training/block_layers.h"

#include <algorithm>

#include "engine/contract/factors.h"
#include "engine/contract/weight_pass.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/rank_update.h"
#include "engine/kernels/row_sum.h"
#include "engine/network/activation.h"
#include "engine/training/delta_row.h"

namespace backprop {
namespace {

// Rows begin … end − 1.
Matrix RowsOf(const Matrix& w, size_t begin, size_t end) {
  return {w.data + begin * w.cols, end - begin, w.cols};
}

// From so many weights on, a part of a layer's work takes longer than it takes
// to hand it over.
constexpr size_t kSharedWeights = size_t{1} << 20;

}  // namespace

template <class Work>
void BlockLayers::Share(const Matrix& w, size_t size, const Work& work) {
  if (crew_ == nullptr || crew_->size() == 1 ||
      w.rows * w.cols < kSharedWeights) {
    return work(0, size, scratch_);
  }
  const size_t parts = crew_->size();
  part_scratch_.resize(std::max(part_scratch_.size(), parts));
  const size_t length = RoundedUp((size + parts - 1) / parts, kLine);
  crew_->Share(parts, [&](size_t part) {
    const size_t begin = std::min(size, part * length);
    const size_t end = std::min(size, begin + length);
    if (begin < end) work(begin, end, part_scratch_[part]);
  });
}

void BlockLayers::Prepare(const Training& training, const TrainRun& run,
                          size_t last, size_t rows) {
  training_ = &training;
  run_ = &run;
  rates_.resize(rows);
  const auto& all = training.layout->layers();
  size_t numbers = 0;
  size_t widest = Padded(rows);
  for (size_t k = 0; k <= last; ++k) {
    widest = std::max({widest, Padded(all[k].outputs), Padded(all[k].inputs)});
    numbers += rows * (5 * Padded(all[k].outputs) + Padded(rows));
  }
  float* next = memory_.Get(numbers + rows * widest);
  layers_.clear();
  const float* const weights = run.weights.data();
  const bool moves = training.layout->state_count() > 0;
  for (size_t k = 0; k <= last; ++k) {
    const LayerLayout& at = all[k];
    const float* const m = moves ? run.state.data() : nullptr;
    layers_.push_back(
        {.w = {weights + at.weights_begin, at.outputs, at.inputs},
         .bias = weights + at.bias_begin,
         .m = {moves ? m + at.weights_begin : m, at.outputs, at.inputs},
         .m_bias = moves ? m + at.bias_begin : m,
         .spec = &training.network->layers[k],
         .a = k == 0 ? Rows() : Rows(layers_.back().f),
         .base = TakeRows(rows, at.outputs, &next),
         .z = TakeRows(rows, at.outputs, &next),
         .f = TakeRows(rows, at.outputs, &next),
         .signal = TakeRows(rows, at.outputs, &next),
         .u = TakeRows(rows, at.outputs, &next),
         .gram = TakeRows(rows, rows, &next)});
  }
  spare_ = next;
}

void BlockLayers::Load(size_t first, size_t count) {
  layers_.front().a = {InputOf(*training_, *run_, first),
                       InputStride(*training_->layout)};
  const size_t scalars = training_->layout->scalar_count();
  for (size_t t = 0; t < count; ++t) {
    rates_[t] = RateOf(*training_, first + t);
    StepScalars(*training_->optimiser, rates_[t],
                training_->state_age + first + t + 1,
                run_->scalars.subspan((first + t) * scalars, scalars));
  }
  if (!is_plain()) {
    recurrence_.Load(training_->layout->rule(),
                     run_->scalars.subspan(first * scalars), count);
  }
  Correlate(0, {0, count});
}

void BlockLayers::Correlate(size_t k, Window window) {
  const BlockLayer& layer = layers_[k];
  const size_t size = layer.w.rows;
  const Rows a = layer.a.From(window.begin);
  Share(layer.w, size, [&](size_t begin, size_t end, Scratch&) {
    Forward(a, window.size(), RowsOf(layer.w, begin, end), layer.bias + begin,
            layer.base.From(window.begin).FromColumn(begin));
  });
  if (!is_plain()) ScaleByKeep(layer.base, window, size);
  if (layer.m.data != nullptr) {
    Forward(a, window.size(), layer.m, layer.m_bias, spare(size));
    AddPush(layer.base, window, size);
  }
  Gram(layer.a, window, layer.w.cols, layer.gram, scratch_);
  for (size_t t = window.begin; t < window.end; ++t) {
    float* const row = layer.gram[t];
    for (size_t s = 0; s < t; ++s) row[s] += 1;  // the bias' part
    if (is_plain()) continue;
    for (size_t s = 0; s < t; ++s) row[s] *= recurrence_.answer(t, s);
  }
}

void BlockLayers::Correct(size_t k, Window window, MutableRows z) {
  const BlockLayer& layer = layers_[k];
  const size_t size = layer.w.rows;
  for (size_t t = window.begin; t < window.end; ++t) {
    std::copy_n(layer.base[t], size, z[t]);
  }
  AddEarlier(layer.gram, layer.u, window, size, z, scratch_);
}

// signal^t below = f′ ∘ (W_tᵀ·signal^t), and what step s < t put into W_t is
// u^s ⊗ a^s, times answer(t, s); u^s is scale(s)·signal^s.
void BlockLayers::Propagate(size_t k, Window window) {
  const BlockLayer& above = layers_[k];
  const BlockLayer& layer = layers_[k - 1];
  const size_t size = layer.w.rows;
  const Rows signal = above.signal.From(window.begin);
  Share(above.w, size, [&](size_t begin, size_t end, Scratch&) {
    BackwardColumns(signal, window.size(), above.w, begin, end,
                    layer.signal.From(window.begin));
  });
  if (!is_plain()) ScaleByKeep(layer.signal, window, size);
  if (above.m.data != nullptr) {
    Backward(signal, window.size(), above.m, spare(size));
    AddPush(layer.signal, window, size);
  }
  const MutableRows products = spare(window.end);
  Gram(above.signal, window, above.w.rows, products, scratch_);
  for (size_t t = window.begin; t < window.end; ++t) {
    for (size_t s = 0; s < t; ++s) {
      products[t][s] *= is_plain() ? -rates_[s] : recurrence_.answer(t, s);
    }
  }
  AddEarlier(products, above.a, window, size, layer.signal, scratch_);
  for (size_t t = window.begin; t < window.end; ++t) {
    MultiplyByDerivative(*layer.spec, {layer.z[t], size}, {above.a[t], size},
                         {layer.signal[t], size});
  }
}

void BlockLayers::ScaleByKeep(MutableRows rows, Window window,
                              size_t size) const {
  for (size_t t = window.begin; t < window.end; ++t) {
    const float keep = recurrence_.keep(t);
    for (size_t i = 0; i < size; ++i) rows[t][i] *= keep;
  }
}

void BlockLayers::AddPush(MutableRows rows, Window window, size_t size) const {
  for (size_t t = window.begin; t < window.end; ++t) {
    const float push = recurrence_.push(t);
    const float* const from = spare(size)[t - window.begin];
    for (size_t i = 0; i < size; ++i) rows[t][i] += push * from[i];
  }
}

void BlockLayers::Apply(size_t first, size_t accepted) {
  for (size_t k = 0; k < layers_.size(); ++k) {
    if (is_plain()) {
      ApplyLayer(k, first, accepted);
    } else {
      ApplyOptimiser(k, first, accepted);
    }
  }
}

void BlockLayers::ApplyLayer(size_t k, size_t first, size_t accepted) {
  const BlockLayer& layer = layers_[k];
  const LayerLayout& at = training_->layout->layers()[k];
  for (size_t t = 0; t < accepted; ++t) {
    WriteDelta(*training_->layout, k, layer.u.From(t), layer.a.From(t),
               DeltaRowOf(*training_, *run_, first + t));
  }
  Share(layer.w, at.outputs, [&](size_t begin, size_t end, Scratch& scratch) {
    ApplySteps(
        {layer.u.FromColumn(begin), layer.a, accepted, end - begin, at.inputs},
        run_->weights.data() + at.weights_begin + begin * at.inputs,
        run_->weights.data() + at.bias_begin + begin, scratch);
  });
}

void BlockLayers::ApplyOptimiser(size_t k, size_t first, size_t accepted) {
  const BlockLayer& layer = layers_[k];
  const LayerLayout& at = training_->layout->layers()[k];
  const size_t count = training_->layout->scalar_count();
  const PassSteps steps{training_->first_step + first,
                        training_->layout->rule(),
                        run_->scalars.subspan(first * count, accepted * count)};
  const Factors factors{layer.u.data, layer.u.stride, layer.a.data,
                        layer.a.stride, accepted};
  const auto targets = [this](size_t rows, size_t columns, size_t begin) {
    PassTargets at_begin{rows, columns, run_->weights.data() + begin, {}};
    if (!run_->state.empty()) at_begin.state[0] = run_->state.data() + begin;
    return at_begin;
  };
  const PassTargets matrix = targets(at.outputs, at.inputs, at.weights_begin);
  const PassTargets bias = targets(1, at.outputs, at.bias_begin);
  if (at.form == DeltaForm::kFactored) {
    for (size_t t = 0; t < accepted; ++t) {
      WriteDelta(*training_->layout, k, layer.u.From(t), layer.a.From(t),
                 DeltaRowOf(*training_, *run_, first + t));
    }
    RunSteps(steps, factors, matrix);
    RunSteps(steps, BiasFactors(factors), bias);
    return;
  }
  for (size_t t = 0; t < accepted; ++t) {  // D itself is wanted
    const Factors one{layer.u[t], 0, layer.a[t], 0, 1};
    float* const d = DeltaRowOf(*training_, *run_, first + t) + at.delta_begin;
    PassTargets with_d = matrix;
    with_d.delta = d;
    const PassSteps step{steps.first + t, steps.rule,
                         steps.scalars.subspan(t * count, count)};
    RunPass(step, one, with_d);
    with_d = bias;
    with_d.delta = d + at.outputs * at.inputs;
    RunPass(step, BiasFactors(one), with_d);
  }
}

}  // namespace backprop
