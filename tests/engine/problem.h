// SPDX-License-Identifier: Apache-2.0
//
// Networks, optimisers, weights and samples made from a seed, and runs of the
// engine on them.
#ifndef BACKPROP_TESTS_ENGINE_PROBLEM_H_
#define BACKPROP_TESTS_ENGINE_PROBLEM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/contract/delta.h"
#include "engine/contract/layout.h"
#include "engine/network/network.h"
#include "engine/training/trainer.h"
#include "tests/twins/reference_functions.h"

namespace backprop::testing {

// The same numbers everywhere: the standard fixes mt19937, not its
// distributions.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}

  // In [low, high).
  float Uniform(float low, float high);
  std::vector<float> Uniforms(size_t size, float low, float high);
  size_t Below(size_t limit) { return engine_() % limit; }

 private:
  std::mt19937 engine_;
};

// Lengths of the input and of each layer.
struct Shape {
  size_t input_size;
  std::vector<size_t> sizes;
};

// What to train and on what: everything that Trainer::Train wants.
struct Problem {
  NetworkSpec network;
  Layout layout;
  Schedule schedule;
  Optimiser optimiser = {};
  uint64_t first_step = 1;
  uint64_t state_age = 0;
  uint64_t dropout_seed = 0;
  std::vector<float> weights = {};
  std::vector<float> state = {};           // (StateCount, weight_count)
  std::vector<float> inputs = {};          // (steps·B, input_size)
  std::vector<float> targets = {};         // (steps·B, output_size)
  std::vector<float> sample_weights = {};  // (steps·B), or empty

  size_t steps() const {
    return inputs.size() / (layout.batch_size() * layout.input_size());
  }
  // "17-9-4 tanh, softmax, cross_entropy, B 3, factored dense"
  std::string name() const;
};

// Which functions a network has.
struct Functions {
  Activation hidden;
  Activation output;
  Loss loss = Loss::kHalfSquaredError;  // as a session has that names none
  // With label smoothing and class weights, where the loss has them.
  bool settings = false;
};

// Every one that Validate allows.
std::vector<Functions> AllFunctions();
// So many of them that every loss stands with every output and every setting,
// and hidden layers have every activation.
std::vector<Functions> EachFunction();

// Every activation that hidden layers may have.
std::vector<Activation> HiddenActivations();

// `hidden` in all layers but the last, which has `output`. Negative scales and
// Huber's δ are 0.3.
NetworkSpec MakeNetwork(const Shape& shape, const Functions& functions);

// Layout::Create without a limit.
Layout MakeLayout(const NetworkSpec& network, size_t batch_size,
                  std::span<const DeltaForm> forms = {});
// The same with all layers in one form.
Layout MakeLayout(const NetworkSpec& network, size_t batch_size,
                  DeltaForm form);

// All layers FACTORED, all DENSE, and one after the other.
std::vector<std::vector<DeltaForm>> AllForms(size_t depth);

// Plain descent at a constant rate. Weights like Glorot's, biases, inputs in ±1
// and targets in [0, 1), all from the seed. Cross-entropy targets do not add up
// to 1: no formula asks for it.
Problem MakeProblem(const NetworkSpec& network, const Layout& layout,
                    float learning_rate, size_t steps, uint32_t seed);

// All the results of a run.
struct Results {
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

// How a run's steps are cut into calls of Train.
struct Calls {
  // Steps of the first call, the second …, and again from the first; empty: all
  // steps in one.
  std::vector<size_t> lengths = {};
  // Asks for D of each step. Trainer then goes one step after another.
  bool full_deltas = false;
};

// Trains from the problem's weights and state; ends at a step that is refused.
using TrainCall = std::function<size_t(const Training&, const TrainRun&)>;
Results TrainBy(const TrainCall& train, const Problem& problem,
                const Calls& calls);

template <typename AnyTrainer>
Results Train(AnyTrainer& trainer, const Problem& problem,
              const Calls& calls = {}) {
  return TrainBy(
      [&trainer](const Training& training, const TrainRun& run) {
        return trainer.Train(training, run);
      },
      problem, calls);
}

// What Trainer::Train gets to see of the problem. rate and problem must outlive
// it.
Training TrainingOf(const Problem& problem, const LearningRate& rate);

// What step t, from 0, brought.
StepDelta StepOf(const Problem& problem, const Results& results, size_t t);

// The fields that Validate complains of, in order. Adds a failure to the test
// where it does not say what to do.
std::vector<std::string> Fields(const std::vector<FieldViolation>& violations);

// The numbers' bits: == on them tells +0 from −0, and NaN is equal to itself.
std::vector<uint32_t> Bits(std::span<const float> numbers);

Vector Doubles(std::span<const float> numbers);
std::vector<float> Floats(const Vector& numbers);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_PROBLEM_H_
