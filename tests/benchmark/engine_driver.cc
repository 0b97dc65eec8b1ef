// SPDX-License-Identifier: Apache-2.0
//
// The engine: messages of 128 samples (one batch at least), as a session's
// worker trains them, by any optimiser; errors and weight deltas are written
// for every step.
#include <algorithm>
#include <vector>

#include "engine/contract/layout.h"
#include "engine/network/network.h"
#include "engine/random/initialiser.h"
#include "engine/training/trainer.h"
#include "tests/benchmark/driver.h"
#include "tests/engine/input_rows.h"

namespace backprop::testing {
namespace {

NetworkSpec Network(const Question& question) {
  NetworkSpec network;
  network.input_size = question.inputs();
  for (size_t k = 1; k < question.sizes.size(); ++k) {
    network.layers.push_back({question.sizes[k], Activation::kSigmoid});
  }
  return network;
}

std::optional<Optimiser> OptimiserNamed(const std::string& name) {
  if (name == "sgd") return Optimiser{};
  if (name == "momentum") return Optimiser{.rule = rules::Momentum{0.9F}};
  if (name == "nesterov") return Optimiser{.rule = rules::Nesterov{0.9F}};
  if (name == "adagrad") return Optimiser{.rule = rules::Adagrad()};
  if (name == "rmsprop") return Optimiser{.rule = rules::RmsProp()};
  if (name == "adam") return Optimiser{.rule = rules::Adam()};
  if (name == "lion") return Optimiser{.rule = rules::Lion()};
  return std::nullopt;
}

// What a session owns and a message brings.
struct Workplace {
  explicit Workplace(const Question& question, const Optimiser& by)
      : network(Network(question)),
        layout(Layout::Create(question.inputs(),
                              std::span(question.sizes).subspan(1),
                              question.batch_size, question.weight_count())
                   ->WithRule(RuleOf(by))),
        optimiser(by),
        rate(Schedule{.learning_rate = RateFor(question)}),
        weights(layout.weight_count()),
        state(layout.state_count() * layout.weight_count()),
        errors(std::max<size_t>(128, question.batch_size) /
               question.batch_size),
        deltas(errors.size() * layout.delta_row_length()),
        scalars(errors.size() * layout.scalar_count()) {
    Initialise({}, layout, weights);
  }

  const NetworkSpec network;
  const Layout layout;
  const Optimiser optimiser;
  const LearningRate rate;
  std::vector<float> weights, state;
  std::vector<float> errors, deltas, scalars;
};

std::optional<double> Measure(const Question& question) {
  const auto optimiser = OptimiserNamed(question.optimiser);
  if (!optimiser.has_value()) return std::nullopt;
  Workplace place(question, *optimiser);
  const Samples samples = MakeSamples(question);
  const InputRows inputs(place.layout, samples.inputs);
  const size_t stride = InputStride(place.layout);
  const size_t message = place.errors.size() * question.batch_size;
  Trainer trainer;
  Training training{.network = &place.network,
                    .layout = &place.layout,
                    .optimiser = &place.optimiser,
                    .rate = &place.rate};
  size_t first = 0;
  return SamplesPerSecond(question, message, [&] {
    const TrainRun run{
        .inputs = inputs.rows().subspan(first * stride, message * stride),
        .targets = std::span(samples.targets)
                       .subspan(first * question.outputs(),
                                message * question.outputs()),
        .weights = place.weights,
        .state = place.state,
        .errors = place.errors,
        .deltas = place.deltas,
        .scalars = place.scalars};
    training.state_age += trainer.Train(training, run);
    first = (first + message) % Samples::kCount;
  });
}

}  // namespace
}  // namespace backprop::testing

int main(int /*argc*/, char** argv) {
  return backprop::testing::AnswerQuestions(argv, backprop::testing::Measure);
}
