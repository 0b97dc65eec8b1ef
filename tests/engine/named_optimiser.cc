// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/named_optimiser.h"

#include <cstdlib>

#include "absl/strings/str_split.h"

namespace backprop::testing {
namespace {

void Set(const std::string& word, NamedOptimiser& named) {
  Optimiser& optimiser = named.optimiser;
  if (word == "sgd") return;
  if (word == "momentum") {
    optimiser.rule = rules::Momentum{0.9F};
  } else if (word == "nesterov") {
    optimiser.rule = rules::Nesterov{0.9F};
  } else if (word == "adagrad") {
    optimiser.rule = rules::Adagrad();
  } else if (word == "rms_prop") {
    optimiser.rule = rules::RmsProp();
    named.rate = 0.01F;
  } else if (word == "adam") {
    optimiser.rule = rules::Adam();
    named.rate = 0.01F;
  } else if (word == "lion") {
    optimiser.rule = rules::Lion();
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
       {"sgd", "momentum", "nesterov", "adagrad", "rms_prop", "adam", "lion"}) {
    for (const char* beside : {"", "+max_norm", "+max_value", "+l2", "+l1",
                               "+decay", "+max_norm+max_value+l2+l1+decay"}) {
      all.push_back(OptimiserOf(kind + beside));
    }
  }
  return all;
}

void Use(const NamedOptimiser& optimiser, Problem& problem) {
  problem.optimiser = optimiser.optimiser;
  problem.schedule.learning_rate = optimiser.rate;
  problem.layout = problem.layout.WithRule(RuleOf(optimiser.optimiser));
  problem.state.assign(
      problem.layout.state_count() * problem.layout.weight_count(), 0.0F);
}

void LetStateFade(Problem& problem) {
  const size_t columns = problem.layout.input_size();
  const size_t first_layer = problem.layout.layers().front().bias_begin;
  for (size_t i = 0; i < problem.inputs.size(); i += columns) {
    problem.inputs[i] = 0;
  }
  for (size_t v = 0; v < problem.layout.state_count(); ++v) {
    float* const state =
        problem.state.data() + v * problem.layout.weight_count();
    for (size_t i = 0; i < first_layer; i += columns) state[i] = 0x1p-121F;
  }
  problem.first_step = 64 - problem.steps() / 2;
}

Problem MakeOptimiserProblem(const std::vector<size_t>& sizes,
                             size_t batch_size, DeltaForm form,
                             const NamedOptimiser& optimiser, size_t steps) {
  const NetworkSpec network =
      MakeNetwork({sizes.front(), {sizes.begin() + 1, sizes.end()}},
                  {Activation::kTanh, Activation::kIdentity});
  const Layout layout = MakeLayout(network, batch_size, form);
  Random random(5);
  Problem problem{network, layout, {}};
  problem.weights = random.Uniforms(layout.weight_count(), -1, 1);
  problem.inputs =
      random.Uniforms(steps * batch_size * layout.input_size(), -1, 1);
  problem.targets =
      random.Uniforms(steps * batch_size * layout.output_size(), -1, 1);
  Use(optimiser, problem);
  return problem;
}

}  // namespace backprop::testing
