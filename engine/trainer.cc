// SPDX-License-Identifier: Apache-2.0
#include "engine/trainer.h"

#include "engine/step_trainer.h"

namespace backprop {

struct Trainer::Scratch {
  StepTrainer steps;
};

Trainer::Trainer() : scratch_(std::make_unique<Scratch>()) {}
Trainer::~Trainer() = default;

size_t Trainer::Train(const Training& training, const TrainRun& run) {
  return scratch_->steps.Train(training, run);
}

}  // namespace backprop
