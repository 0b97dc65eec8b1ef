// SPDX-License-Identifier: Apache-2.0
//
// What a run of steps is given: the session's part of it (Training), and where
// its samples lie and its results go (TrainRun). Every way of training takes
// these two.
#ifndef BACKPROP_ENGINE_TRAINING_TRAINING_H_
#define BACKPROP_ENGINE_TRAINING_TRAINING_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/contract/layout.h"
#include "engine/contract/optimiser.h"
#include "engine/kernels/scratch.h"
#include "engine/network/network.h"
#include "engine/training/schedule.h"

namespace backprop {

// What a session trains with; constant over a call of Trainer::Train.
struct Training {
  const NetworkSpec* network = nullptr;
  const Layout* layout = nullptr;  // of that network, with its rule
  const Optimiser* optimiser = nullptr;
  const LearningRate* rate = nullptr;
  uint64_t ahead = 0;       // of rate's next step: the run's first step
  uint64_t first_step = 1;  // number of the run's first step
  uint64_t state_age = 0;   // steps done since the optimiser's state was zero
  uint64_t dropout_seed = 0;
};

// Whether D is the factors' product, whatever the weights: the layout is plain,
// and there is neither dropout nor clipping by norm. What trains many samples
// at once needs it.
bool IsPlainDescent(const Training& training);

// Where a call of Trainer::Train finds its samples and puts its results.
// steps is errors.size(), at most training.rate->StepsUntilDecision() with
// training.ahead; B is layout->batch_size().
struct TrainRun {
  // (steps·B, InputStride): input_size finite numbers a row, then zeros. With
  // B = 1 it begins at a cache line, and so does each row: trainers read rows
  // where they lie.
  std::span<const float> inputs = {};
  std::span<const float> targets = {};  // (steps·B, output_size), finite
  std::span<const float> sample_weights = {};  // (steps·B) or empty: all 1
  std::span<float> weights = {};  // (weight_count), updated in place
  std::span<float> state = {};    // (state_count, weight_count), likewise
  std::span<float> errors = {};   // (steps): mean over B, before the update
  std::span<float> deltas = {};   // (steps, delta_row_length)
  std::span<float> scalars = {};  // (steps, scalar_count)
  std::span<float> outputs = {};  // (steps·B, output_size) or empty
  // (steps); filled, and needed, if optimiser->max_norm > 0.
  std::span<float> gradient_norms = {};
  // D of each step: (steps, weight_count) or empty. Takes the slow way.
  std::span<float> full_deltas = {};
};

// Numbers from one of a run's input rows to the next. A row alone in its step
// fills whole cache lines; a step's several rows lie close together, as the
// delta contract wants them.
inline size_t InputStride(const Layout& layout) {
  const size_t size = layout.input_size();
  return layout.batch_size() == 1 ? Padded(size) : size;
}

// Steps first … first + count − 1 of the run.
TrainRun PartOf(const Training& training, const TrainRun& run, size_t first,
                size_t count);

// Sample t of a run of steps of one sample, which is its step t too.
inline const float* InputOf(const Training& training, const TrainRun& run,
                            size_t t) {
  return run.inputs.data() + t * InputStride(*training.layout);
}
inline const float* TargetOf(const Training& training, const TrainRun& run,
                             size_t t) {
  return run.targets.data() + t * training.layout->output_size();
}
inline float* DeltaRowOf(const Training& training, const TrainRun& run,
                         size_t t) {
  return run.deltas.data() + t * training.layout->delta_row_length();
}
// Null if nobody wants it.
inline float* OutputOf(const Training& training, const TrainRun& run,
                       size_t t) {
  if (run.outputs.empty()) return nullptr;
  return run.outputs.data() + t * training.layout->output_size();
}
inline float WeightOf(const TrainRun& run, size_t t) {
  return run.sample_weights.empty() ? 1 : run.sample_weights[t];
}

// α of the run's step t.
inline float RateOf(const Training& training, size_t t) {
  return training.rate->Rate(training.ahead + t);
}

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_TRAINING_H_
