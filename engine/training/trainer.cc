// SPDX-License-Identifier: Apache-2.0
#include "engine/training/trainer.h"

#include "engine/training/batch_trainer.h"
#include "engine/training/block_trainer.h"
#include "engine/training/step_trainer.h"

namespace backprop {
struct Trainer::Scratch {
  explicit Scratch(Crew* crew) : block(crew) {}

  BlockTrainer block;
  BatchTrainer batch;
  StepTrainer step;

  size_t TrainBatches(const Training& training, const TrainRun& run);
};

size_t Trainer::Scratch::TrainBatches(const Training& training,
                                      const TrainRun& run) {
  const size_t steps = run.errors.size();
  size_t done = 0;
  while (done < steps) {
    done += batch.Train(From(training, done),
                        PartOf(training, run, done, steps - done));
    // What the batch trainer leaves is looked at number by number.
    if (done == steps ||
        step.Train(From(training, done), PartOf(training, run, done, 1)) == 0) {
      break;
    }
    ++done;
  }
  return done;
}

Trainer::Trainer(Crew* crew) : scratch_(std::make_unique<Scratch>(crew)) {}
Trainer::~Trainer() = default;

size_t Trainer::Train(const Training& training, const TrainRun& run) {
  if (run.full_deltas.empty()) {
    if (BlockTrainer::Takes(training)) {
      return scratch_->block.Train(training, run);
    }
    if (BatchTrainer::Takes(training)) {
      return scratch_->TrainBatches(training, run);
    }
  }
  return scratch_->step.Train(training, run);
}

}  // namespace backprop
