// SPDX-License-Identifier: Apache-2.0
//
// Optimisers by name, and runs of a trainer with any of them.
#ifndef BACKPROP_TESTS_ENGINE_OPTIMISER_PROBLEM_H_
#define BACKPROP_TESTS_ENGINE_OPTIMISER_PROBLEM_H_

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/delta.h"
#include "engine/trainer.h"

namespace backprop::testing {

struct NamedOptimiser {
  std::string name;
  Optimiser optimiser;
  float rate;
};

// "momentum+l2+max_norm" etc.: a kind, then what else there is, with the values
// that golden/make_optimiser_golden.py uses.
NamedOptimiser OptimiserOf(const std::string& name);

// Every kind: alone, and with everything that there is.
std::vector<NamedOptimiser> AllOptimisers();

// In [−1, 1), the same everywhere.
std::vector<float> Uniforms(std::mt19937& random, size_t size);

// What to train, on what; everything that Trainer::Train wants.
struct OptimiserProblem {
  NetworkSpec network;
  Layout layout;
  Optimiser optimiser = {};
  float rate = 0.05F;
  uint64_t first_step = 1;
  uint64_t state_age = 0;
  uint64_t dropout_seed = 0;
  std::vector<float> weights = {};
  std::vector<float> state = {};
  std::vector<float> inputs = {};
  std::vector<float> targets = {};
  std::vector<float> sample_weights = {};

  size_t steps() const {
    return inputs.size() / (layout.batch_size() * layout.input_size());
  }
};

// A network of tanh layers and an identity output, all of one form; state zero.
OptimiserProblem MakeOptimiserProblem(const std::vector<size_t>& sizes,
                                      size_t batch_size, DeltaForm form,
                                      const NamedOptimiser& optimiser,
                                      size_t steps);

struct OptimiserResults {
  size_t applied = 0;
  std::vector<float> weights;
  std::vector<float> state;
  std::vector<float> errors;
  std::vector<float> deltas;
  std::vector<float> scalars;
  std::vector<float> outputs;
  std::vector<float> gradient_norms;
  std::vector<float> full_deltas;
};

// One call of a trainer from the problem's weights and state.
using TrainCall = std::function<size_t(const Training&, const TrainRun&)>;
OptimiserResults Run(const TrainCall& train, const OptimiserProblem& problem);

template <typename AnyTrainer>
OptimiserResults RunWith(AnyTrainer& trainer, const OptimiserProblem& problem) {
  return Run(
      [&trainer](const Training& training, const TrainRun& run) {
        return trainer.Train(training, run);
      },
      problem);
}

// What step t, from 0, brought.
StepDelta StepOf(const OptimiserProblem& problem,
                 const OptimiserResults& results, size_t t);

// The numbers' bits: == on them tells +0 from −0, and NaN is equal to itself.
std::vector<uint32_t> BitsOf(std::span<const float> numbers);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_OPTIMISER_PROBLEM_H_
