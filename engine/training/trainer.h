// SPDX-License-Identifier: Apache-2.0
//
// Stochastic gradient descent: forward, error, backward, delta row, apply; one
// step after another.
#ifndef BACKPROP_ENGINE_TRAINING_TRAINER_H_
#define BACKPROP_ENGINE_TRAINING_TRAINER_H_

#include <cstddef>

#include "engine/training/block_trainer.h"
#include "engine/training/crew.h"
#include "engine/training/step_trainer.h"
#include "engine/training/training.h"

namespace backprop {

// Scratch memory for training; grows to the largest net it has seen and is
// reused, so that steps allocate nothing. Owned by one thread at a time;
// belongs to a thread, not to a session.
class Trainer {
 public:
  // crew: shares the work on large networks; null: none. Must outlive the
  // object.
  explicit Trainer(Crew* crew = nullptr) : block_(crew) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Runs the steps in order and returns how many were applied. Fewer than
  // run.errors.size() means: the step after those would have had a non-finite
  // error, or might have a delta or gradient beyond the contract's bounds
  // (delta.proto (6)); weights and state are as they were before that step, and
  // results from there on are unspecified.
  size_t Train(const Training& training, const TrainRun& run);

 private:
  BlockTrainer block_;
  StepTrainer step_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_TRAINER_H_
