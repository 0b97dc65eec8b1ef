// SPDX-License-Identifier: Apache-2.0
//
// The engine: messages of 128 samples (one batch at least), as a session's
// worker trains them; errors and weight deltas are written for every step.
#include <algorithm>
#include <vector>

#include "engine/initialiser.h"
#include "engine/layout.h"
#include "engine/network.h"
#include "engine/trainer.h"
#include "tests/benchmark/driver.h"

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

std::optional<double> Measure(const Question& question) {
  if (question.optimiser != "sgd") return std::nullopt;
  const NetworkSpec network = Network(question);
  const std::vector<size_t> sizes(question.sizes.begin() + 1,
                                  question.sizes.end());
  const size_t message = std::max<size_t>(128, question.batch_size);
  const size_t steps = message / question.batch_size;
  const Layout layout =
      Layout::Create(question.inputs(), sizes, question.batch_size,
                     question.weight_count())
          .value();
  std::vector<float> weights(layout.weight_count());
  Initialise({}, layout, weights);
  const Samples samples = MakeSamples(question);
  std::vector<float> errors(steps);
  std::vector<float> deltas(steps * layout.delta_row_length());
  Trainer trainer;
  size_t first = 0;
  return SamplesPerSecond(question, message, [&] {
    const TrainRun run{.inputs = std::span(samples.inputs)
                                     .subspan(first * question.inputs(),
                                              message * question.inputs()),
                       .targets = std::span(samples.targets)
                                      .subspan(first * question.outputs(),
                                               message * question.outputs()),
                       .weights = weights,
                       .errors = errors,
                       .deltas = deltas,
                       .outputs = {}};
    trainer.Train({&network, &layout, LearningRate(question)}, run);
    first = (first + message) % Samples::kCount;
  });
}

}  // namespace
}  // namespace backprop::testing

int main() {
  return backprop::testing::AnswerQuestions(backprop::testing::Measure);
}
