// SPDX-License-Identifier: Apache-2.0
//
// One step's delta row (delta.proto) on its way from error signals to what is
// sent and applied. The row holds, layer after layer, either the factors u and
// a of each sample (FACTORED) or the sum of their products, number by number
// (DENSE). Either way it *stands for* one number a weight, Σ_s u^s_i·a^s_j: the
// gradient g, or with the rule None already D. In this order:
//
//   StepRow row(training, signals, inputs, numbers);
//   row.Write();                        // stands for g, or for D
//   row.Scale(max_norm / row.Norm());   // where it is clipped by norm
//   … row.Bound() is judged by StepBounds …
//   row.MakeDense(number, scalars, weights, state);
//   ApplyDelta(…);                      // D of FACTORED layers, and w + D
#ifndef BACKPROP_ENGINE_TRAINING_STEP_ROW_H_
#define BACKPROP_ENGINE_TRAINING_STEP_ROW_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/training/step_signals.h"
#include "engine/training/training.h"

namespace backprop {

// A view: what it is made from must outlive it. One thread at a time.
class StepRow {
 public:
  // inputs: (B, input_size); row: (delta_row_length), written.
  StepRow(const Training& training, const StepSignals& signals,
          std::span<const float> inputs, std::span<float> row)
      : layout_(*training.layout),
        signals_(signals),
        inputs_(inputs),
        row_(row) {}

  // Fills the row: FACTORED layers' parts with u and a themselves, DENSE
  // layers' with the sums of their products.
  void Write();

  // The Euclidean norm of all the numbers that the row stands for.
  double Norm() const;

  // Multiplies all that the row stands for by `factor`.
  void Scale(float factor);

  // Upper bound of every number that the row stands for; NaN if there is none.
  double Bound() const;

  // Makes D of DENSE layers' g and moves their state on, in the step of that
  // number. weights: (weight_count), read only; state: (state_count,
  // weight_count). With the rule None the row stands for D already, and nothing
  // is done.
  void MakeDense(uint64_t number, std::span<const float> scalars,
                 std::span<float> weights, std::span<float> state);

 private:
  const LayerLayout& layer(size_t k) const { return layout_.layers()[k]; }
  size_t depth() const { return layout_.layers().size(); }
  size_t batch() const { return layout_.batch_size(); }
  bool dense(size_t k) const { return layer(k).form == DeltaForm::kDense; }
  std::span<float> Part(size_t k) const {
    return row_.subspan(layer(k).delta_begin, layer(k).delta_length);
  }
  void WriteProduct(size_t k);
  void ScaleFactors(size_t k, float factor);
  double BoundOf(size_t k) const;

  const Layout& layout_;
  const StepSignals& signals_;
  const std::span<const float> inputs_;
  const std::span<float> row_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_ROW_H_
