// SPDX-License-Identifier: Apache-2.0
//
// Training one step after another, the obvious way: any optimiser, loss, batch
// size, clipping, sample weights, dropout.
#ifndef BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_

#include <cstddef>

#include "engine/training/step_bounds.h"
#include "engine/training/step_row.h"
#include "engine/training/step_signals.h"
#include "engine/training/training.h"

namespace backprop {

// Like Trainer, which see; one thread at a time.
class StepTrainer {
 public:
  // As Trainer::Train.
  size_t Train(const Training& training, const TrainRun& run);

 private:
  // False: refused.
  bool TrainStep(const Training& training, const TrainRun& run, size_t t);
  double Backward(const Training& training, float rate,
                  std::span<const float> weights, StepRow& step);

  StepSignals signals_;
  StepBounds bounds_;  // of the run at hand
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STEP_TRAINER_H_
