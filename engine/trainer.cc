// SPDX-License-Identifier: Apache-2.0
#include "engine/trainer.h"

#include <algorithm>

#include "engine/batch_trainer.h"
#include "engine/block_trainer.h"
#include "engine/step_trainer.h"

namespace backprop {
namespace {

Training From(Training training, size_t first) {
  training.ahead += first;
  training.first_step += first;
  training.state_age += first;
  return training;
}

}  // namespace

TrainRun PartOf(const Training& training, const TrainRun& run, size_t first,
                size_t count) {
  const Layout& layout = *training.layout;
  const auto rows = [&](auto panel, size_t length) {
    return panel.empty() ? panel
                         : panel.subspan(first * length, count * length);
  };
  const size_t batch = layout.batch_size();
  return {.inputs = rows(run.inputs, batch * layout.input_size()),
          .targets = rows(run.targets, batch * layout.output_size()),
          .sample_weights = rows(run.sample_weights, batch),
          .weights = run.weights,
          .state = run.state,
          .errors = rows(run.errors, 1),
          .deltas = rows(run.deltas, layout.delta_row_length()),
          .scalars = rows(run.scalars, ScalarCount(*training.optimiser)),
          .outputs = rows(run.outputs, batch * layout.output_size()),
          .gradient_norms = rows(run.gradient_norms, 1),
          .full_deltas = rows(run.full_deltas, layout.weight_count())};
}

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

bool IsPlainDescent(const Training& training) {
  const auto& layers = training.network->layers;
  return FactorKindOf(*training.optimiser) == FactorKind::kDelta &&
         training.optimiser->max_norm == 0 &&
         std::all_of(layers.begin(), layers.end(),
                     [](const LayerSpec& layer) { return layer.dropout == 0; });
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
