// SPDX-License-Identifier: Apache-2.0
#include "engine/training/batch_trainer.h"

#include <algorithm>
#include <cmath>

#include "engine/contract/delta.h"
#include "engine/kernels/magnitude.h"
#include "engine/kernels/rank_update.h"
#include "engine/network/activation.h"
#include "engine/network/loss.h"

namespace backprop {

bool BatchTrainer::Takes(const Training& training) {
  return IsPlainDescent(training);
}

size_t BatchTrainer::Train(const Training& training, const TrainRun& run) {
  Prepare(training, run.weights);
  const Layout& layout = *training.layout;
  const size_t target_row = batch_ * layout.output_size();
  for (size_t t = 0; t < run.errors.size(); ++t) {
    const Rows inputs{run.inputs.data() + t * batch_ * layout.input_size(),
                      layout.input_size()};
    Forward(inputs);
    const auto error = static_cast<float>(
        LastSignal(run.targets.subspan(t * target_row, target_row),
                   run.sample_weights.empty()
                       ? run.sample_weights
                       : run.sample_weights.subspan(t * batch_, batch_)));
    const float rate = training.rate->Rate(training.ahead + t);
    if (!std::isfinite(error) || !Backward(inputs, rate)) return t;
    run.errors[t] = error;
    if (!run.outputs.empty()) {
      for (size_t s = 0; s < batch_; ++s) {
        std::copy_n(
            layers_.back().a[s], layout.output_size(),
            run.outputs.data() + t * target_row + s * layout.output_size());
      }
    }
    Apply(inputs,
          run.deltas.subspan(t * layout.delta_row_length(),
                             layout.delta_row_length()),
          run.weights);
  }
  return run.errors.size();
}

void BatchTrainer::Prepare(const Training& training, std::span<float> weights) {
  training_ = &training;
  batch_ = training.layout->batch_size();
  size_t numbers = 0;
  for (const LayerLayout& at : training.layout->layers()) {
    numbers += 3 * batch_ * Padded(at.outputs);
  }
  float* next = memory_.Get(numbers);
  layers_.clear();
  for (const LayerLayout& at : training.layout->layers()) {
    layers_.push_back(
        {.at = at,
         .w = {weights.data() + at.weights_begin, at.outputs, at.inputs},
         .bias = weights.data() + at.bias_begin,
         .spec = &training.network->layers[layers_.size()],
         .z = TakeRows(batch_, at.outputs, &next),
         .a = TakeRows(batch_, at.outputs, &next),
         .signal = TakeRows(batch_, at.outputs, &next)});
  }
}

void BatchTrainer::Forward(Rows below) {
  for (const Layer& layer : layers_) {
    backprop::Forward(below, batch_, layer.w, layer.bias, layer.z);
    for (size_t s = 0; s < batch_; ++s) {
      ActivateAndFlush(*layer.spec, layer.z[s], layer.a[s], layer.at.outputs);
    }
    below = layer.a;
  }
}

// The step's error; fills the last layer's signal.
double BatchTrainer::LastSignal(std::span<const float> targets,
                                std::span<const float> sample_weights) {
  const Layer& last = layers_.back();
  const size_t size = last.at.outputs;
  double error = 0;
  for (size_t s = 0; s < batch_; ++s) {
    error += ErrorAndSignal(
        *training_->network,
        {{last.z[s], size}, {last.a[s], size}, targets.subspan(s * size, size)},
        {last.signal[s], size}, sample_weights.empty() ? 1 : sample_weights[s]);
  }
  return error / static_cast<double>(batch_);
}

// Fills all signals, then makes factors of them. False: some |D| might exceed
// kLargestDelta.
bool BatchTrainer::Backward(Rows inputs, float rate) {
  const float scale = -rate / static_cast<float>(batch_);
  for (size_t k = layers_.size(); k-- > 0;) {
    const Layer& layer = layers_[k];
    const Rows below = k == 0 ? inputs : Rows(layers_[k - 1].a);
    if (k > 0) {
      const Layer& lower = layers_[k - 1];
      backprop::Backward(layer.signal, batch_, layer.w, lower.signal);
      for (size_t s = 0; s < batch_; ++s) {
        const size_t size = lower.at.outputs;
        MultiplyByDerivative(*lower.spec, {lower.z[s], size},
                             {lower.a[s], size}, {lower.signal[s], size});
      }
    }
    double bound = 0;
    for (size_t s = 0; s < batch_; ++s) {
      const double u = ScaleAndFlush(scale, layer.signal[s], layer.signal[s],
                                     layer.at.outputs);
      const double a = LargestMagnitude(below[s], layer.at.inputs);
      bound += u * std::max(a, 1.0);  // 1 for the bias; this order keeps NaN
    }
    if (!(bound <= kLargestDelta)) return false;
  }
  return true;
}

void BatchTrainer::Apply(Rows inputs, std::span<float> row,
                         std::span<float> weights) {
  Rows below = inputs;
  for (const Layer& layer : layers_) {
    const LayerFactors factors{layer.signal, below, batch_, layer.at.outputs,
                               layer.at.inputs};
    float* const w = weights.data() + layer.at.weights_begin;
    float* const bias = weights.data() + layer.at.bias_begin;
    float* const part = row.data() + layer.at.delta_begin;
    if (layer.at.form == DeltaForm::kDense) {
      ApplyDense(factors, part, w, bias, scratch_);
    } else {
      ApplyOneStep(factors, w, bias, scratch_);
      WriteFactors(layer, &layer == &layers_.front() ? nullptr : &below, part);
    }
    below = layer.a;
  }
}

// u, and a if `below` is not null, of each sample.
void BatchTrainer::WriteFactors(const Layer& layer, const Rows* below,
                                float* part) const {
  for (size_t s = 0; s < batch_; ++s) {
    part = std::copy_n(layer.signal[s], layer.at.outputs, part);
    if (below != nullptr) {
      part = std::copy_n((*below)[s], layer.at.inputs, part);
    }
  }
}

}  // namespace backprop
