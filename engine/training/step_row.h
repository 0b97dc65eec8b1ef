// SPDX-License-Identifier: Apache-2.0
//
// One step's delta row on its way from error signals to what is sent.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_ROW_H_
#define BACKPROP_ENGINE_TRAINING_STEP_ROW_H_

#include <cstddef>
#include <span>

#include "engine/training/step_signals.h"
#include "engine/training/training.h"

namespace backprop {

// A view; what it is made from must outlive it.
class StepRow {
 public:
  // inputs: (B, input_size); row: (delta_row_length), written.
  StepRow(const Training& training, const StepSignals& signals,
          std::span<const float> inputs, std::span<float> row)
      : layout_(*training.layout),
        optimiser_(*training.optimiser),
        signals_(signals),
        inputs_(inputs),
        row_(row) {}

  // Fills the row from u and a: FACTORED layers' with themselves, DENSE layers'
  // with their sum of products.
  void Write();

  // Euclidean norm, over all layers, of what the row stands for.
  double Norm() const;

  // Multiplies what the row stands for.
  void Scale(float factor);

  // Upper bound of each |g| that the row stands for; NaN if there is none.
  double Bound() const;

  // Makes D of DENSE layers' g, and moves their state on; nothing with
  // FactorKind::kDelta, where it is D already. weights are only read.
  void MakeDense(std::span<const float> scalars, std::span<float> weights,
                 std::span<float> state);

 private:
  const LayerLayout& layer(size_t k) const { return layout_.layers()[k]; }
  size_t depth() const { return layout_.layers().size(); }
  size_t batch() const { return layout_.batch_size(); }
  bool dense(size_t k) const { return layer(k).form == DeltaForm::kDense; }
  std::span<float> Part(size_t k) const {
    return row_.subspan(layer(k).delta_begin, layer(k).delta_length);
  }
  std::span<const float> Below(size_t k) const {
    return k == 0 ? inputs_ : signals_.seen(k - 1);
  }
  void WriteFactors(size_t k);
  void WriteProduct(size_t k);
  void ScaleFactors(size_t k, float factor);
  double FactorBound(size_t k) const;

  const Layout& layout_;
  const Optimiser& optimiser_;
  const StepSignals& signals_;
  const std::span<const float> inputs_;
  const std::span<float> row_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_ROW_H_
