// SPDX-License-Identifier: Apache-2.0
#include "engine/training/trainer.h"

namespace backprop {

size_t Trainer::Train(const Training& training, const TrainRun& run) {
  if (run.full_deltas.empty() && BlockTrainer::Takes(training)) {
    return block_.Train(training, run);
  }
  return step_.Train(training, run);
}

}  // namespace backprop
