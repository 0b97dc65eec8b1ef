// SPDX-License-Identifier: Apache-2.0
#include "engine/training/step_trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/training/step_row.h"

namespace backprop {
namespace {

// Row t of a panel of rows; empty if the panel is.
template <typename T>
std::span<T> RowOf(std::span<T> panel, size_t t, size_t length) {
  return panel.empty() ? panel : panel.subspan(t * length, length);
}

// Whether a step makes the first layer's product with the next step's sample,
// while it has the weights at hand.
bool LooksAhead(const Layout& layout) {
  return layout.batch_size() == 1 &&
         layout.layers().front().form == DeltaForm::kFactored;
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
  const Optimiser& optimiser = *training.optimiser;
  const size_t batch = layout.batch_size();
  const StepSamples samples{RowOf(run.inputs, t, batch * layout.input_size()),
                            RowOf(run.targets, t, batch * layout.output_size()),
                            RowOf(run.sample_weights, t, batch)};
  signals_.Forward(training, training.first_step + t, samples, run.weights,
                   LooksAhead(layout) && t > 0);
  run.errors[t] = static_cast<float>(signals_.LastSignal(training, samples));
  if (!std::isfinite(run.errors[t])) return false;

  const float rate = training.rate->Rate(training.ahead + t);
  const auto row = RowOf(run.deltas, t, layout.delta_row_length());
  StepRow step(training, signals_, samples.inputs, row);
  const double norm = Backward(training, rate, run.weights, step);
  if (optimiser.max_norm > 0) run.gradient_norms[t] = static_cast<float>(norm);

  const auto scalars = RowOf(run.scalars, t, ScalarCount(optimiser));
  StepScalars(optimiser, rate, training.state_age + t + 1, scalars);
  if (!bounds_.Allow(RuleOf(optimiser), scalars, step.Bound(), run.weights,
                     run.state)) {
    return false;
  }
  const auto outputs = RowOf(run.outputs, t, batch * layout.output_size());
  std::copy_n(signals_.outputs().begin(), outputs.size(), outputs.begin());
  step.MakeDense(scalars, run.weights, run.state);
  NextProduct next;
  if (LooksAhead(layout) && t + 1 < run.errors.size()) {
    next = {RowOf(run.inputs, t + 1, layout.input_size()).data(),
            signals_.first_product().data()};
  }
  ApplyDelta(layout, optimiser, {row, samples.inputs, scalars}, run.weights,
             run.state, RowOf(run.full_deltas, t, layout.weight_count()), next);
  return true;
}

// Fills the step's row: δ/B, or −(α/B)·δ, clipped by norm. Returns the norm
// before clipping, if it is needed.
double StepTrainer::Backward(const Training& training, float rate,
                             std::span<const float> weights, StepRow& step) {
  const Optimiser& optimiser = *training.optimiser;
  const auto batch = static_cast<double>(training.layout->batch_size());
  const double factor =
      FactorKindOf(optimiser) == FactorKind::kDelta ? -double{rate} : 1;
  if (optimiser.max_norm == 0) {
    signals_.Backward(training, static_cast<float>(factor / batch), weights);
    step.Write();
    return 0;
  }
  signals_.Backward(training, static_cast<float>(1 / batch), weights);
  step.Write();
  const double norm = step.Norm();
  const double clip = norm > optimiser.max_norm ? optimiser.max_norm / norm : 1;
  step.Scale(static_cast<float>(factor * clip));
  return norm;
}

}  // namespace backprop
