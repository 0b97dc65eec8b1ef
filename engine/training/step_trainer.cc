// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/kernels/magnitude.h"
#include "engine/kernels/rank_update.h"
#include "engine/training/delta_row.h"
#include "engine/training/step_row.h"

namespace backprop {
namespace {

// Row t of a panel of rows; empty if the panel is.
template <typename T>
std::span<T> RowOf(std::span<T> panel, size_t t, size_t length) {
  return panel.empty() ? panel : panel.subspan(t * length, length);
}

std::span<const float> InputsOf(const Training& training, const TrainRun& run,
                                size_t t) {
  const Layout& layout = *training.layout;
  const size_t batch = layout.batch_size();
  return RowOf(run.inputs, t, batch * InputStride(layout))
      .first(batch * layout.input_size());
}

// Whether a step makes the first layer's product with the next step's sample,
// while it has the weights at hand.
bool LooksAhead(const Layout& layout) {
  return layout.batch_size() == 1 &&
         layout.layers().front().form == DeltaForm::kFactored;
}

// What the factors are made with, of δ of the sum of a step's samples: −α of
// deltas, 1 of gradients.
double FactorScale(const Training& training, float rate) {
  return training.layout->is_plain() ? -double{rate} : 1;
}

}  // namespace

size_t StepTrainer::Train(const Training& training, const TrainRun& run) {
  signals_.Prepare(*training.layout);
  bounds_ = {};
  for (size_t t = 0; t < run.errors.size(); ++t) {
    if (!TrainStep(training, run, t)) return t;
  }
  return run.errors.size();
}

bool StepTrainer::TrainStep(const Training& training, const TrainRun& run,
                            size_t t) {
  const Layout& layout = *training.layout;
  const size_t batch = layout.batch_size();
  const StepSamples samples{InputsOf(training, run, t),
                            RowOf(run.targets, t, batch * layout.output_size()),
                            RowOf(run.sample_weights, t, batch)};
  signals_.Forward(training, training.first_step + t, samples, run.weights,
                   LooksAhead(layout) && t > 0);
  run.errors[t] = static_cast<float>(signals_.LastSignal(training, samples));
  if (!std::isfinite(run.errors[t])) return false;

  const float rate = RateOf(training, t);
  // Clipping by norm needs the gradient's norm before it knows the factors.
  const double scale =
      training.optimiser->max_norm > 0 ? 1 : FactorScale(training, rate);
  signals_.Backward(training,
                    static_cast<float>(scale / static_cast<double>(batch)),
                    run.weights);
  const auto row = RowOf(run.deltas, t, layout.delta_row_length());
  const bool panel = IsPlainDescent(training) && run.full_deltas.empty();
  // What can't be bounded by the factors' sizes is looked at number by number.
  if (!(panel && ApplyPanel(training, row, run.weights)) &&
      !ApplyRow(training, run, t, rate)) {
    return false;
  }
  if (run.outputs.empty()) return true;
  const size_t size = layout.output_size();
  for (size_t s = 0; s < batch; ++s) {
    std::copy_n(signals_.outputs()[s], size,
                run.outputs.data() + (t * batch + s) * size);
  }
  return true;
}

// A plain step of a panel of samples: D is made, added and, where it is sent,
// written in one pass over each layer's weights. False, and nothing is changed:
// some |D| might exceed kLargestDelta.
bool StepTrainer::ApplyPanel(const Training& training, std::span<float> row,
                             std::span<float> weights) {
  const Layout& layout = *training.layout;
  const auto factors = [&](size_t k) {
    const LayerLayout& at = layout.layers()[k];
    return LayerFactors{signals_.u(k), signals_.seen(k), layout.batch_size(),
                        at.outputs, at.inputs};
  };
  const size_t depth = layout.layers().size();
  for (size_t k = 0; k < depth; ++k) {
    const LayerFactors of = factors(k);
    const double bound =
        FactorBound(of.u, of.outputs, of.a, of.inputs, of.samples);
    if (!(bound <= kLargestDelta)) return false;
  }
  for (size_t k = 0; k < depth; ++k) {
    const LayerLayout& at = layout.layers()[k];
    float* const w = weights.data() + at.weights_begin;
    float* const bias = weights.data() + at.bias_begin;
    if (at.form == DeltaForm::kDense) {
      ApplyDense(factors(k), row.data() + at.delta_begin, w, bias, scratch_);
    } else {
      ApplyOneStep(factors(k), w, bias, scratch_);
      WriteDelta(layout, k, signals_.u(k), signals_.seen(k), row.data());
    }
  }
  return true;
}

// Any step: its delta row, clipping, the optimiser, the weights. False:
// refused.
bool StepTrainer::ApplyRow(const Training& training, const TrainRun& run,
                           size_t t, float rate) {
  const Layout& layout = *training.layout;
  const Optimiser& optimiser = *training.optimiser;
  const auto inputs = InputsOf(training, run, t);
  const auto row = RowOf(run.deltas, t, layout.delta_row_length());
  StepRow step(training, signals_, inputs, row);
  step.Write();
  if (optimiser.max_norm > 0) {
    const double norm = step.Norm();
    run.gradient_norms[t] = static_cast<float>(norm);
    const double clip =
        norm > optimiser.max_norm ? optimiser.max_norm / norm : 1;
    step.Scale(static_cast<float>(FactorScale(training, rate) * clip));
  }
  const auto scalars = RowOf(run.scalars, t, layout.scalar_count());
  StepScalars(optimiser, rate, training.state_age + t + 1, scalars);
  if (!bounds_.Allow(layout.rule(), scalars, step.Bound(), run.weights,
                     run.state)) {
    return false;
  }
  const uint64_t number = training.first_step + t;
  step.MakeDense(number, scalars, run.weights, run.state);
  NextProduct next;
  if (LooksAhead(layout) && t + 1 < run.errors.size()) {
    next = {InputsOf(training, run, t + 1).data(), signals_.first_product()};
  }
  ApplyDelta(layout, {number, row, inputs, scalars}, run.weights, run.state,
             RowOf(run.full_deltas, t, layout.weight_count()), next);
  return true;
}

}  // namespace backprop
