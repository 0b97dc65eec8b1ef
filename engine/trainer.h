// SPDX-License-Identifier: Apache-2.0
//
// Stochastic gradient descent: forward, error, backward, delta row, apply; one
// step after another.
#ifndef BACKPROP_ENGINE_TRAINER_H_
#define BACKPROP_ENGINE_TRAINER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/crew.h"
#include "engine/layout.h"
#include "engine/network.h"
#include "engine/optimiser.h"
#include "engine/schedule.h"

namespace backprop {

// What a session trains with; constant over a call of Trainer::Train.
struct Training {
  const NetworkSpec* network = nullptr;
  const Layout* layout = nullptr;  // of that network
  const Optimiser* optimiser = nullptr;
  const LearningRate* rate = nullptr;
  uint64_t ahead = 0;       // of rate's next step: the run's first step
  uint64_t first_step = 1;  // number of the run's first step
  uint64_t state_age = 0;   // steps done since the optimiser's state was zero
  uint64_t dropout_seed = 0;
};

// Whether D is the factors' product, whatever the weights: plain SGD without
// dropout and clipping by norm. What trains many samples at once needs it.
bool IsPlainDescent(const Training& training);

// Where a call of Trainer::Train finds its samples and puts its results.
// steps is errors.size(), at most training.rate->StepsUntilDecision() with
// training.ahead; B is layout->batch_size().
struct TrainRun {
  std::span<const float> inputs = {};   // (steps·B, input_size), finite
  std::span<const float> targets = {};  // (steps·B, output_size), finite
  std::span<const float> sample_weights = {};  // (steps·B) or empty: all 1
  std::span<float> weights = {};  // (weight_count), updated in place
  std::span<float> state = {};    // (StateCount, weight_count), likewise
  std::span<float> errors = {};   // (steps): mean over B, before the update
  std::span<float> deltas = {};   // (steps, delta_row_length)
  std::span<float> scalars = {};  // (steps, ScalarCount)
  std::span<float> outputs = {};  // (steps·B, output_size) or empty
  // (steps); filled, and needed, if optimiser->max_norm > 0.
  std::span<float> gradient_norms = {};
  // D of each step: (steps, weight_count) or empty. Takes the slow way.
  std::span<float> full_deltas = {};
};

// Steps first … first + count − 1 of the run.
TrainRun PartOf(const Training& training, const TrainRun& run, size_t first,
                size_t count);

// Scratch memory for training; grows to the largest net it has seen and is
// reused, so that steps allocate nothing. Owned by one thread at a time;
// belongs to a thread, not to a session.
class Trainer {
 public:
  // crew: shares the work on large networks; null: none. Must outlive the
  // object.
  explicit Trainer(Crew* crew = nullptr);
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // Runs the steps in order and returns how many were applied. Fewer than
  // run.errors.size() means: the step after those would have had a non-finite
  // error, or might have a delta or gradient beyond the contract's bounds
  // (delta.proto (6)); weights and state are as they were before that step, and
  // results from there on are unspecified.
  size_t Train(const Training& training, const TrainRun& run);

  struct Scratch;

 private:
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINER_H_
