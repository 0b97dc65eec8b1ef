// SPDX-License-Identifier: Apache-2.0
//
// Training one step after another, the obvious way: any optimiser, loss, batch
// size, clipping, sample weights, dropout.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_

#include <cstddef>
#include <span>

#include "engine/kernels/scratch.h"
#include "engine/training/step_bounds.h"
#include "engine/training/step_signals.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory and state of one call of Train; reused. One thread at a time.
class StepTrainer {
 public:
  // As Trainer::Train.
  size_t Train(const Training& training, const TrainRun& run);

 private:
  // False: refused.
  bool TrainStep(const Training& training, const TrainRun& run, size_t t);
  bool ApplyPanel(const Training& training, std::span<float> row,
                  std::span<float> weights);
  bool ApplyRow(const Training& training, const TrainRun& run, size_t t,
                float rate);

  StepSignals signals_;
  StepBounds bounds_;  // of the run at hand
  Scratch scratch_;    // of kernels
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_
