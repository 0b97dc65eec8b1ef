// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/optimiser_problem.h"

#include <bit>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_split.h"

namespace backprop::testing {
namespace {

void Set(const std::string& word, NamedOptimiser& named) {
  Optimiser& optimiser = named.optimiser;
  if (word == "sgd") return;
  if (word == "momentum" || word == "nesterov") {
    optimiser.momentum = 0.9F;
    optimiser.nesterov = word == "nesterov";
  } else if (word == "adagrad") {
    optimiser.kind = OptimiserKind::kAdagrad;
    optimiser.epsilon = 1e-10F;
  } else if (word == "rms_prop" || word == "adam") {
    optimiser.kind =
        word == "adam" ? OptimiserKind::kAdam : OptimiserKind::kRmsProp;
    named.rate = 0.01F;
  } else if (word == "l2") {
    optimiser.l2 = 0.01F;
  } else if (word == "l1") {
    optimiser.l1 = 0.003F;
  } else if (word == "decay") {
    optimiser.decoupled_decay = 0.1F;
  } else if (word == "max_norm") {
    optimiser.max_norm = 0.25F;
  } else if (word == "max_value") {
    optimiser.max_value = 0.03F;
  } else {
    std::abort();  // a mistake in a test
  }
}

}  // namespace

NamedOptimiser OptimiserOf(const std::string& name) {
  NamedOptimiser named{name, {}, 0.05F};
  for (const auto word : absl::StrSplit(name, '+')) {
    Set(std::string(word), named);
  }
  return named;
}

std::vector<NamedOptimiser> AllOptimisers() {
  std::vector<NamedOptimiser> all;
  for (const std::string kind :
       {"sgd", "momentum", "nesterov", "adagrad", "rms_prop", "adam"}) {
    all.push_back(OptimiserOf(kind));
    all.push_back(OptimiserOf(kind + "+max_norm"));
    all.push_back(OptimiserOf(kind + "+l2"));
    all.push_back(OptimiserOf(kind + "+max_norm+max_value+l2+l1+decay"));
  }
  return all;
}

std::vector<float> Uniforms(std::mt19937& random, size_t size) {
  std::vector<float> numbers(size);
  for (float& number : numbers) {
    number = static_cast<float>(random() >> 8) * 0x1p-23F - 1;
  }
  return numbers;
}

OptimiserProblem MakeOptimiserProblem(const std::vector<size_t>& sizes,
                                      size_t batch_size, DeltaForm form,
                                      const NamedOptimiser& optimiser,
                                      size_t steps) {
  NetworkSpec network;
  network.input_size = sizes.front();
  const std::span<const size_t> outputs = std::span(sizes).subspan(1);
  for (const size_t size : outputs) {
    network.layers.push_back({size, Activation::kTanh});
  }
  network.layers.back().activation = Activation::kIdentity;
  const std::vector<DeltaForm> forms(outputs.size(), form);
  Layout layout = Layout::Create(network.input_size, outputs, batch_size,
                                 std::numeric_limits<size_t>::max(), forms)
                      .value();
  std::mt19937 random(5);
  OptimiserProblem problem{.network = network, .layout = layout};
  problem.optimiser = optimiser.optimiser;
  problem.rate = optimiser.rate;
  problem.weights = Uniforms(random, layout.weight_count());
  problem.state.resize(StateCount(optimiser.optimiser) * layout.weight_count());
  problem.inputs = Uniforms(random, steps * batch_size * layout.input_size());
  problem.targets = Uniforms(random, steps * batch_size * layout.output_size());
  return problem;
}

OptimiserResults Run(const TrainCall& train, const OptimiserProblem& problem) {
  const size_t steps = problem.steps();
  const Layout& layout = problem.layout;
  OptimiserResults results;
  results.weights = problem.weights;
  results.state = problem.state;
  results.errors.resize(steps);
  results.deltas.resize(steps * layout.delta_row_length());
  results.scalars.resize(steps * ScalarCount(problem.optimiser));
  results.outputs.resize(steps * layout.batch_size() * layout.output_size());
  results.gradient_norms.resize(problem.optimiser.max_norm > 0 ? steps : 0);
  results.full_deltas.resize(steps * layout.weight_count());
  Schedule schedule;
  schedule.learning_rate = problem.rate;
  const LearningRate rate(schedule);
  results.applied = train(
      {&problem.network, &layout, &problem.optimiser, &rate, problem.first_step,
       problem.state_age, problem.dropout_seed},
      {problem.inputs, problem.targets, problem.sample_weights, results.weights,
       results.state, results.errors, results.deltas, results.scalars,
       results.outputs, results.gradient_norms, results.full_deltas});
  return results;
}

StepDelta StepOf(const OptimiserProblem& problem,
                 const OptimiserResults& results, size_t t) {
  const Layout& layout = problem.layout;
  const size_t row = layout.delta_row_length();
  const size_t inputs = layout.batch_size() * layout.input_size();
  const size_t scalars = ScalarCount(problem.optimiser);
  return {std::span(results.deltas).subspan(t * row, row),
          std::span(problem.inputs).subspan(t * inputs, inputs),
          std::span(results.scalars).subspan(t * scalars, scalars)};
}

std::vector<uint32_t> BitsOf(std::span<const float> numbers) {
  std::vector<uint32_t> bits;
  for (const float number : numbers) {
    bits.push_back(std::bit_cast<uint32_t>(number));
  }
  return bits;
}

}  // namespace backprop::testing
