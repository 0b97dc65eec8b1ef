// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/random_problem.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/engine/named_optimiser.h"

namespace backprop::testing {
namespace {

bool Chance(Random& random, size_t one_in) { return random.Below(one_in) == 0; }

NetworkSpec RandomNetwork(Random& random, const Range& range) {
  std::vector<Functions> all = AllFunctions();
  // e^y soon overflows at the rates that are drawn, and the step is refused.
  std::erase_if(all, [](const Functions& functions) {
    return functions.loss == Loss::kPoisson;
  });
  const Functions functions = all[random.Below(all.size())];
  Shape shape{1 + random.Below(range.widest), {}};
  const size_t depth = 1 + random.Below(range.deepest);
  for (size_t k = 0; k < depth; ++k) {
    shape.sizes.push_back(1 + random.Below(range.widest));
  }
  shape.sizes.back() += 1;  // softmax of one number is 1: nothing to learn
  NetworkSpec network = MakeNetwork(shape, functions);
  const std::vector<Activation> hidden = HiddenActivations();
  for (size_t k = 0; k + 1 < depth; ++k) {
    // Half the networks have as many activations as layers.
    if (Chance(random, 2)) {
      network.layers[k].activation = hidden[random.Below(hidden.size())];
    }
    if (range.dropout && Chance(random, 2)) network.layers[k].dropout = 0.25F;
  }
  return network;
}

Layout RandomLayout(Random& random, const NetworkSpec& network,
                    size_t largest_batch) {
  std::vector<DeltaForm> forms;
  for (size_t k = 0; k < network.layers.size(); ++k) {
    forms.push_back(Chance(random, 2) ? DeltaForm::kFactored
                                      : DeltaForm::kDense);
  }
  return MakeLayout(network, 1 + random.Below(largest_batch), forms);
}

// Not ReduceOnPlateau, whose rates follow from the errors.
Schedule RandomSchedule(Random& random, float rate) {
  const size_t kind = random.Below(6);
  Schedule schedule{.learning_rate = rate,
                    .warmup_steps = Chance(random, 2) ? uint64_t{10} : 0};
  const uint64_t steps = 1 + random.Below(50);
  const decltype(schedule.kind) kinds[] = {
      ConstantRate{},
      StepDecay{.every = steps, .factor = 0.98F},
      ExponentialDecay{.factor = 0.98F},
      PolynomialDecay{.steps = steps, .end_rate = rate / 4, .power = 2},
      InverseTimeDecay{.rate = 0.05F},
      CosineDecay{
          .period_steps = steps, .min_rate = rate / 4, .restarts = true}};
  static_assert(std::size(kinds) == 6);
  schedule.kind = kinds[kind];
  return schedule;
}

// Some units of hidden layers far to where f is flat.
void Bend(Random& random, Problem& problem) {
  for (size_t k = 0; k + 1 < problem.layout.layers().size(); ++k) {
    const LayerLayout& layer = problem.layout.layers()[k];
    const Activation f = problem.network.layers[k].activation;
    if (f == Activation::kIdentity || f == Activation::kLeakyRelu) continue;
    const bool both_ends = f == Activation::kSigmoid || f == Activation::kTanh;
    for (size_t i = 0; i < layer.outputs; ++i) {
      if (!Chance(random, 8)) continue;
      problem.weights[layer.bias_begin + i] =
          both_ends && Chance(random, 2) ? 40.0F : -40.0F;
    }
  }
}

// Input j by 2^e(j), and its weights by the inverse.
void Scale(Random& random, Problem& problem) {
  const LayerLayout& first = problem.layout.layers().front();
  for (size_t j = 0; j < first.inputs; ++j) {
    const float scale =
        std::ldexp(1.0F, static_cast<int>(random.Below(14)) - 10);
    for (size_t r = j; r < problem.inputs.size(); r += first.inputs) {
      problem.inputs[r] *= scale;
    }
    for (size_t i = 0; i < first.outputs; ++i) {
      problem.weights[i * first.inputs + j] /= scale;
    }
  }
}

// At least the largest mean square that a layer sees, activations being of
// order 1.
float LargestSquare(const Problem& problem) {
  float sum = 0;
  for (const float x : problem.inputs) sum += x * x;
  float largest =
      sum / static_cast<float>(problem.steps() * problem.layout.batch_size());
  for (const LayerLayout& layer : problem.layout.layers()) {
    largest = std::max(largest, static_cast<float>(layer.inputs));
  }
  return 1 + largest;
}

void UseRandomOptimiser(Random& random, Problem& problem) {
  const std::vector<NamedOptimiser> all = AllOptimisers();
  NamedOptimiser named = all[random.Below(all.size())];
  named.rate = problem.schedule.learning_rate;
  Use(named, problem);
}

}  // namespace

Problem RandomProblem(uint32_t seed, const Range& range) {
  Random random(seed);
  const NetworkSpec network = RandomNetwork(random, range);
  const Layout layout = RandomLayout(random, network, range.largest_batch);
  Problem problem = MakeProblem(network, layout, 0, range.steps, seed);
  if (Chance(random, 2)) Bend(random, problem);
  if (Chance(random, 3)) Scale(random, problem);
  problem.schedule =
      RandomSchedule(random, range.largest_rate * random.Uniform(0.1F, 1) /
                                 LargestSquare(problem));
  if (Chance(random, 2)) {
    for (size_t s = 0; s < range.steps * layout.batch_size(); ++s) {
      problem.sample_weights.push_back(
          Chance(random, 8) ? 0 : random.Uniform(0.25F, 2));
    }
  }
  if (range.any_optimiser) UseRandomOptimiser(random, problem);
  problem.dropout_seed = seed;
  problem.first_step = 1 + random.Below(1000);
  return problem;
}

Calls RandomCalls(uint32_t seed) {
  Random random(seed);
  Calls calls;
  for (size_t i = 0; i < 8; ++i) {
    calls.lengths.push_back(1 + random.Below(Chance(random, 2) ? 100 : 8));
  }
  return calls;
}

}  // namespace backprop::testing
