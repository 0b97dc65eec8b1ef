// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/problem.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/engine/function_names.h"
#include "tests/engine/input_rows.h"

namespace backprop::testing {
namespace {

void AppendTo(std::vector<float>& all, const std::vector<float>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

// Everything of a run but what the problem has.
Results MakeRoom(const Problem& problem, bool full_deltas) {
  const size_t steps = problem.steps();
  Results results;
  results.weights = problem.weights;
  results.state = problem.state;
  results.errors.resize(steps);
  results.deltas.resize(steps * problem.layout.delta_row_length());
  results.scalars.resize(steps * problem.layout.scalar_count());
  results.outputs.resize(problem.targets.size());
  results.gradient_norms.resize(problem.optimiser.max_norm > 0 ? steps : 0);
  results.full_deltas.resize(full_deltas ? steps * problem.weights.size() : 0);
  return results;
}

// Steps t … t + n − 1. inputs: the problem's.
TrainRun RunOf(const Problem& problem, std::span<const float> inputs,
               Results& results, size_t t, size_t n) {
  const auto part = [&](auto& numbers) {
    const size_t row =
        problem.steps() == 0 ? 0 : numbers.size() / problem.steps();
    return std::span(numbers).subspan(t * row, n * row);
  };
  return {.inputs = part(inputs),
          .targets = part(problem.targets),
          .sample_weights = part(problem.sample_weights),
          .weights = results.weights,
          .state = results.state,
          .errors = part(results.errors),
          .deltas = part(results.deltas),
          .scalars = part(results.scalars),
          .outputs = part(results.outputs),
          .gradient_norms = part(results.gradient_norms),
          .full_deltas = part(results.full_deltas)};
}

// What may stand before the outputs, with and without the loss's settings.
std::vector<Functions> LastFunctions() {
  std::vector<Functions> all;
  for (const Loss loss : EveryLoss()) {
    for (const Activation output : EveryActivation()) {
      for (const bool settings : {false, true}) {
        const Functions functions{Activation::kTanh, output, loss, settings};
        const bool has_settings =
            loss == Loss::kCrossEntropy || loss == Loss::kBinaryCrossEntropy;
        if (settings && !has_settings) continue;
        if (Validate(MakeNetwork({1, {1, 1}}, functions)).empty()) {
          all.push_back(functions);
        }
      }
    }
  }
  return all;
}

}  // namespace

float Random::Uniform(float low, float high) {
  const float r = static_cast<float>(engine_() >> 8) * 0x1p-24F;
  return low + (high - low) * r;
}

std::vector<float> Random::Uniforms(size_t size, float low, float high) {
  std::vector<float> numbers(size);
  for (float& number : numbers) number = Uniform(low, high);
  return numbers;
}

std::string Problem::name() const {
  std::string shape = absl::StrCat(network.input_size);
  std::string forms;
  for (size_t k = 0; k < network.layers.size(); ++k) {
    absl::StrAppend(&shape, "-", network.layers[k].size);
    const bool dense = layout.layers()[k].form == DeltaForm::kDense;
    absl::StrAppend(&forms, dense ? " dense" : " factored");
  }
  return absl::StrCat(shape, " ", Name(network.layers.front().activation), ", ",
                      Name(network.layers.back().activation), ", ",
                      Name(network.loss),
                      network.class_weights.empty() ? "" : " with settings",
                      ", B ", layout.batch_size(), ",", forms);
}

std::vector<Activation> HiddenActivations() {
  std::vector<Activation> all = EveryActivation();
  std::erase(all, Activation::kSoftmax);
  return all;
}

std::vector<Functions> AllFunctions() {
  std::vector<Functions> all;
  for (const Activation hidden : HiddenActivations()) {
    for (Functions functions : LastFunctions()) {
      functions.hidden = hidden;
      all.push_back(functions);
    }
  }
  return all;
}

std::vector<Functions> EachFunction() {
  const std::vector<Activation> hidden = HiddenActivations();
  std::vector<Functions> all = LastFunctions();
  for (size_t i = 0; i < all.size(); ++i) {
    // Losses come in runs of as many as there are activations.
    all[i].hidden = hidden[(i + i / hidden.size()) % hidden.size()];
  }
  return all;
}

NetworkSpec MakeNetwork(const Shape& shape, const Functions& functions) {
  constexpr float kScale = 0.3F;
  NetworkSpec network;
  network.input_size = shape.input_size;
  for (const size_t size : shape.sizes) {
    network.layers.push_back({.size = size,
                              .activation = functions.hidden,
                              .negative_scale = kScale});
  }
  network.layers.back().activation = functions.output;
  network.loss = functions.loss;
  network.huber_delta = kScale;
  if (!functions.settings) return network;
  if (functions.loss == Loss::kCrossEntropy) network.label_smoothing = 0.125F;
  for (size_t i = 0; i < network.output_size(); ++i) {
    network.class_weights.push_back(0.5F + static_cast<float>(i % 4) * 0.25F);
  }
  return network;
}

Layout MakeLayout(const NetworkSpec& network, size_t batch_size,
                  std::span<const DeltaForm> forms) {
  std::vector<size_t> sizes;
  for (const LayerSpec& layer : network.layers) sizes.push_back(layer.size);
  absl::StatusOr<Layout> layout =
      Layout::Create(network.input_size, sizes, batch_size,
                     std::numeric_limits<size_t>::max(), forms);
  if (!layout.ok()) std::abort();  // a mistake in a test
  return *std::move(layout);
}

Layout MakeLayout(const NetworkSpec& network, size_t batch_size,
                  DeltaForm form) {
  return MakeLayout(network, batch_size,
                    std::vector<DeltaForm>(network.layers.size(), form));
}

std::vector<std::vector<DeltaForm>> AllForms(size_t depth) {
  std::vector<std::vector<DeltaForm>> all;
  all.emplace_back(depth, DeltaForm::kFactored);
  all.emplace_back(depth, DeltaForm::kDense);
  if (depth == 1) return all;
  std::vector<DeltaForm> mixed(depth, DeltaForm::kDense);
  for (size_t k = 1; k < depth; k += 2) mixed[k] = DeltaForm::kFactored;
  all.push_back(mixed);
  return all;
}

Problem MakeProblem(const NetworkSpec& network, const Layout& layout,
                    float learning_rate, size_t steps, uint32_t seed) {
  Random random(seed);
  Problem problem{network, layout, {.learning_rate = learning_rate}};
  for (const LayerLayout& layer : layout.layers()) {
    const float limit =
        std::sqrt(6.0F / static_cast<float>(layer.inputs + layer.outputs));
    AppendTo(problem.weights,
             random.Uniforms(layer.inputs * layer.outputs, -limit, limit));
    AppendTo(problem.weights, random.Uniforms(layer.outputs, -0.5F, 0.5F));
  }
  const size_t samples = steps * layout.batch_size();
  problem.inputs = random.Uniforms(samples * layout.input_size(), -1, 1);
  problem.targets = random.Uniforms(samples * layout.output_size(), 0, 1);
  return problem;
}

Training TrainingOf(const Problem& problem, const LearningRate& rate) {
  return {.network = &problem.network,
          .layout = &problem.layout,
          .optimiser = &problem.optimiser,
          .rate = &rate,
          .first_step = problem.first_step,
          .state_age = problem.state_age,
          .dropout_seed = problem.dropout_seed};
}

Results TrainBy(const TrainCall& train, const Problem& problem,
                const Calls& calls) {
  const LearningRate rate(problem.schedule);
  const size_t steps = problem.steps();
  const InputRows inputs(problem.layout, problem.inputs);
  Results results = MakeRoom(problem, calls.full_deltas);
  size_t call = 0;
  for (size_t t = 0; t < steps; ++call) {
    const size_t n =
        calls.lengths.empty()
            ? steps
            : std::min(steps - t, calls.lengths[call % calls.lengths.size()]);
    Training training = TrainingOf(problem, rate);
    training.ahead += t;
    training.first_step += t;
    training.state_age += t;
    const size_t applied =
        train(training, RunOf(problem, inputs.rows(), results, t, n));
    results.applied += applied;
    if (applied < n) break;
    t += n;
  }
  return results;
}

StepDelta StepOf(const Problem& problem, const Results& results, size_t t) {
  const Layout& layout = problem.layout;
  const size_t row = layout.delta_row_length();
  const size_t inputs = layout.batch_size() * layout.input_size();
  const size_t scalars = problem.layout.scalar_count();
  return {problem.first_step + t,
          std::span(results.deltas).subspan(t * row, row),
          std::span(problem.inputs).subspan(t * inputs, inputs),
          std::span(results.scalars).subspan(t * scalars, scalars)};
}

std::vector<std::string> Fields(const std::vector<FieldViolation>& violations) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : violations) {
    fields.push_back(violation.field);
    EXPECT_FALSE(violation.description.empty()) << violation.field;
  }
  return fields;
}

std::vector<uint32_t> Bits(std::span<const float> numbers) {
  std::vector<uint32_t> bits;
  for (const float number : numbers) {
    bits.push_back(std::bit_cast<uint32_t>(number));
  }
  return bits;
}

Vector Doubles(std::span<const float> numbers) {
  return {numbers.begin(), numbers.end()};
}

std::vector<float> Floats(const Vector& numbers) {
  std::vector<float> floats;
  for (const double x : numbers) floats.push_back(static_cast<float>(x));
  return floats;
}

}  // namespace backprop::testing
