// SPDX-License-Identifier: Apache-2.0
#include "tests/server/sessions/trained_session.h"

#include <vector>

#include "engine/random/initialiser.h"

namespace backprop::testing {
namespace {

constexpr size_t kMostWeights = 2'000'000;

SessionSpec SpecWith(const Optimiser& optimiser, size_t batch_size) {
  SessionSpec spec;
  spec.network.input_size = 20;
  spec.network.layers = {{30, Activation::kTanh}, {4, Activation::kIdentity}};
  spec.delta_forms.resize(2);
  spec.optimiser = optimiser;
  spec.rule = RuleOf(optimiser);
  spec.schedule.learning_rate = 0.001F;
  spec.batch_size = batch_size;
  return spec;
}

}  // namespace

SessionSpec SmallSpec() { return SpecWith({}, 1); }
SessionSpec MomentumSpec() {
  return SpecWith({.rule = rules::Momentum{.momentum = 0.9F}}, 1);
}
SessionSpec AdamSpec() { return SpecWith({.rule = rules::Adam{}}, 1); }
SessionSpec DenseSpec() { return SpecWith({}, 40); }

SessionSpec LargeSpec() {
  SessionSpec spec = MomentumSpec();
  spec.network.input_size = 1024;
  spec.network.layers = {{1030, Activation::kIdentity}};
  spec.delta_forms.resize(1);
  return spec;
}

Layout LayoutOf(const SessionSpec& spec) {
  std::vector<size_t> sizes;
  for (const LayerSpec& layer : spec.network.layers) {
    sizes.push_back(layer.size);
  }
  return Layout::Create(spec.network.input_size, sizes, spec.batch_size,
                        kMostWeights)
      ->WithRule(spec.rule);
}

std::shared_ptr<DeltaFeed> NoFeed() {
  return std::make_shared<DeltaFeed>(0, [](const auto&) {});
}

void FillWeights(Session& session) {
  Initialise({.seed = 3}, session.layout(), session.weights());
}

void TrainOnRandom(Session& session, Worker& worker, size_t steps,
                   std::mt19937& random) {
  if (steps == 0) return;
  const Layout& layout = session.layout();
  const size_t samples = steps * layout.batch_size();
  const size_t stride = InputStride(layout);
  const size_t columns = layout.input_size();
  std::uniform_real_distribution<float> numbers(-1, 1);
  const auto inputs = Grown(worker.inputs, samples * stride);
  const auto targets = Grown(worker.targets, samples * layout.output_size());
  std::vector<float> rows;
  for (size_t i = 0; i < samples; ++i) {
    for (size_t j = 0; j < stride; ++j) {
      inputs[i * stride + j] = j < columns ? numbers(random) : 0;
    }
    rows.insert(rows.end(), inputs.begin() + i * stride,
                inputs.begin() + i * stride + columns);
  }
  for (float& target : targets) target = numbers(random);
  TrainRun run;
  run.inputs = inputs;
  run.targets = targets;
  run.errors = Grown(worker.errors, steps);
  run.deltas = Grown(worker.deltas, steps * layout.delta_row_length());
  run.gradient_norms = Grown(worker.gradient_norms, steps);
  run.scalars = Grown(worker.scalars, steps * layout.scalar_count());
  session.Train(worker.trainer, run);
  session.Record(
      {.rows = run.deltas,
       .scalars = run.scalars,
       .inputs = {reinterpret_cast<const char*>(rows.data()),
                  rows.size() * sizeof(float)},
       .inputs_are_values = !session.in_turn().spec->input.mean.empty()},
      run.errors);
}

}  // namespace backprop::testing
