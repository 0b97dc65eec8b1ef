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
#include "tests/benchmark/own_kernels.h"
#include "tests/engine/input_rows.h"

namespace backprop::testing {
namespace {

NetworkSpec Network(const Question& question) {
  NetworkSpec network;
  network.input_size = question.inputs();
  const Activation within =
      question.classifier ? Activation::kRelu : Activation::kSigmoid;
  for (size_t k = 1; k < question.sizes.size(); ++k) {
    network.layers.push_back({question.sizes[k], within});
  }
  if (question.classifier) {
    network.layers.back().activation = Activation::kSoftmax;
    network.loss = Loss::kCrossEntropy;
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

// Trains message after message of the same samples, in their order.
class Trainee {
 public:
  Trainee(const Question& question, const Optimiser& optimiser)
      : question_(question),
        place_(question, optimiser),
        samples_(MakeSamples(question)),
        inputs_(place_.layout, samples_.inputs),
        training_{.network = &place_.network,
                  .layout = &place_.layout,
                  .optimiser = &place_.optimiser,
                  .rate = &place_.rate} {}

  // Samples a message.
  size_t message() const { return place_.errors.size() * question_.batch_size; }
  std::vector<float>& weights() { return place_.weights; }

  void TrainMessage() {
    const size_t stride = InputStride(place_.layout);
    const TrainRun run{
        .inputs = inputs_.rows().subspan(first_ * stride, message() * stride),
        .targets = std::span(samples_.targets)
                       .subspan(first_ * question_.outputs(),
                                message() * question_.outputs()),
        .weights = place_.weights,
        .state = place_.state,
        .errors = place_.errors,
        .deltas = place_.deltas,
        .scalars = place_.scalars};
    training_.state_age += trainer_.Train(training_, run);
    first_ = (first_ + message()) % Samples::kCount;
  }

 private:
  const Question question_;
  Workplace place_;
  const Samples samples_;
  const InputRows inputs_;
  Training training_;
  Trainer trainer_;
  size_t first_ = 0;  // of the next message's samples
};

std::optional<double> Measure(const Question& question) {
  const auto optimiser = OptimiserNamed(question.optimiser);
  if (!optimiser.has_value()) return std::nullopt;
  Trainee trainee(question, *optimiser);
  return SamplesPerSecond(question, trainee.message(),
                          [&] { trainee.TrainMessage(); });
}

std::optional<std::vector<float>> TrainOnce(const Question& question) {
  const auto optimiser = OptimiserNamed(question.optimiser);
  if (!optimiser.has_value()) return std::nullopt;
  Trainee trainee(question, *optimiser);
  trainee.weights() = InitialWeights(question);
  for (size_t done = 0; done < Samples::kCount; done += trainee.message()) {
    trainee.TrainMessage();
  }
  return trainee.weights();
}

}  // namespace
}  // namespace backprop::testing

int main(int /*argc*/, char** argv) {
  backprop::testing::LetOpenBlasChoose(argv);
  return backprop::testing::AnswerQuestions(
      backprop::testing::OpenBlasKernels(), backprop::testing::Measure,
      backprop::testing::TrainOnce);
}
