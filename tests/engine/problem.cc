// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/problem.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"

namespace backprop::testing {
namespace {

std::vector<float> Uniforms(Random& random, size_t size, float low,
                            float high) {
  std::vector<float> numbers(size);
  for (float& number : numbers) number = random.Uniform(low, high);
  return numbers;
}

void AppendTo(std::vector<float>& all, const std::vector<float>& part) {
  all.insert(all.end(), part.begin(), part.end());
}

}  // namespace

float Random::Uniform(float low, float high) {
  const float r = static_cast<float>(engine_() >> 8) * 0x1p-24F;
  return low + (high - low) * r;
}

std::string Problem::name() const {
  std::string shape = absl::StrCat(network.input_size);
  std::string forms;
  for (size_t k = 0; k < network.layers.size(); ++k) {
    absl::StrAppend(&shape, "-", network.layers[k].size);
    const bool dense = layout.layers()[k].form == DeltaForm::kDense;
    absl::StrAppend(&forms, dense ? " dense" : " factored");
  }
  return absl::StrCat(
      shape, " ", Reference(network.layers.front().activation).name, ", ",
      Reference(network.layers.back().activation).name, ", ",
      Reference(network.loss).name, ", B ", layout.batch_size(), ",", forms);
}

NetworkSpec MakeNetwork(const Shape& shape, Activation hidden,
                        Activation output, Loss loss) {
  NetworkSpec network;
  network.input_size = shape.input_size;
  for (const size_t size : shape.sizes) {
    network.layers.push_back({size, hidden});
  }
  network.layers.back().activation = output;
  network.loss = loss;
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

Problem MakeProblem(const NetworkSpec& network, const Layout& layout,
                    float learning_rate, size_t steps, uint32_t seed) {
  Random random(seed);
  Problem problem{network, layout, learning_rate, {}, {}, {}};
  for (const LayerLayout& layer : layout.layers()) {
    const float limit =
        std::sqrt(6.0F / static_cast<float>(layer.inputs + layer.outputs));
    const size_t count = layer.inputs * layer.outputs;
    AppendTo(problem.weights, Uniforms(random, count, -limit, limit));
    AppendTo(problem.weights, Uniforms(random, layer.outputs, -0.5F, 0.5F));
  }
  const size_t samples = steps * layout.batch_size();
  problem.inputs = Uniforms(random, samples * layout.input_size(), -1, 1);
  problem.targets = Uniforms(random, samples * layout.output_size(), 0, 1);
  return problem;
}

std::vector<Functions> AllFunctions() {
  std::vector<Functions> all;
  for (const ReferenceActivation& hidden : ReferenceActivations()) {
    for (const ReferenceActivation& output : ReferenceActivations()) {
      for (const ReferenceLoss& loss : ReferenceLosses()) {
        const NetworkSpec network = MakeNetwork({1, {1, 1}}, hidden.activation,
                                                output.activation, loss.loss);
        if (!Validate(network).empty()) continue;
        all.push_back({hidden.activation, output.activation, loss.loss});
      }
    }
  }
  return all;
}

Results Train(Trainer& trainer, const Problem& problem) {
  return TrainInPieces(trainer, problem, problem.steps());
}

Results TrainInPieces(Trainer& trainer, const Problem& problem,
                      size_t steps_a_call) {
  const Layout& layout = problem.layout;
  const size_t input_row = layout.batch_size() * layout.input_size();
  const size_t target_row = layout.batch_size() * layout.output_size();
  const size_t row = layout.delta_row_length();
  const size_t steps = problem.steps();
  Results results;
  results.weights = problem.weights;
  results.errors.resize(steps);
  results.deltas.resize(steps * row);
  results.outputs.resize(steps * target_row);
  for (size_t t = 0; t < steps; t += steps_a_call) {
    const size_t n = std::min(steps_a_call, steps - t);
    const TrainRun run{
        std::span(problem.inputs).subspan(t * input_row, n * input_row),
        std::span(problem.targets).subspan(t * target_row, n * target_row),
        results.weights,
        std::span(results.errors).subspan(t, n),
        std::span(results.deltas).subspan(t * row, n * row),
        std::span(results.outputs).subspan(t * target_row, n * target_row)};
    const size_t applied =
        trainer.Train({&problem.network, &layout, problem.learning_rate}, run);
    results.applied += applied;
    if (applied < n) break;
  }
  return results;
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

}  // namespace backprop::testing
