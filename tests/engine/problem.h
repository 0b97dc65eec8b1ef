// SPDX-License-Identifier: Apache-2.0
//
// Networks, weights and samples made from a seed, and runs of the engine on
// them.
#ifndef BACKPROP_TESTS_ENGINE_PROBLEM_H_
#define BACKPROP_TESTS_ENGINE_PROBLEM_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/layout.h"
#include "engine/network.h"
#include "engine/trainer.h"
#include "tests/engine/reference_functions.h"

namespace backprop::testing {

// The same numbers everywhere: the standard fixes mt19937, not its
// distributions.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}

  // In [low, high).
  float Uniform(float low, float high);
  size_t Below(size_t limit) { return engine_() % limit; }

 private:
  std::mt19937 engine_;
};

// Lengths of the input and of each layer.
struct Shape {
  size_t input_size;
  std::vector<size_t> sizes;
};

// What to train and on what.
struct Problem {
  NetworkSpec network;
  Layout layout;
  float learning_rate;
  std::vector<float> weights;
  std::vector<float> inputs;   // (steps·B, input_size)
  std::vector<float> targets;  // (steps·B, output_size)

  size_t steps() const {
    return inputs.size() / (layout.batch_size() * layout.input_size());
  }
  // "17-9-4 tanh, softmax, cross_entropy, B 3, factored dense"
  std::string name() const;
};

// `hidden` in all layers but the last, which has `output`.
NetworkSpec MakeNetwork(const Shape& shape, Activation hidden,
                        Activation output, Loss loss);

// Layout::Create without a limit.
Layout MakeLayout(const NetworkSpec& network, size_t batch_size,
                  std::span<const DeltaForm> forms = {});

// Weights like Glorot's, biases, inputs in ±1 and targets in [0, 1), all from
// the seed. Cross-entropy targets do not add up to 1: no formula asks for it.
Problem MakeProblem(const NetworkSpec& network, const Layout& layout,
                    float learning_rate, size_t steps, uint32_t seed);

// Every (hidden, output, loss) that Validate allows.
struct Functions {
  Activation hidden;
  Activation output;
  Loss loss;
};
std::vector<Functions> AllFunctions();

// All the results of one call of Trainer::Train.
struct Results {
  size_t applied = 0;
  std::vector<float> weights;
  std::vector<float> errors;
  std::vector<float> deltas;
  std::vector<float> outputs;
};

// Trains from the problem's weights in one call.
Results Train(Trainer& trainer, const Problem& problem);

// Trains in calls of at most `steps_a_call` steps.
Results TrainInPieces(Trainer& trainer, const Problem& problem,
                      size_t steps_a_call);

// The numbers' bits: == on them tells +0 from −0, and NaN is equal to itself.
std::vector<uint32_t> Bits(std::span<const float> numbers);

Vector Doubles(std::span<const float> numbers);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_ENGINE_PROBLEM_H_
