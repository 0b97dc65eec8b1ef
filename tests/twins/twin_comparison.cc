// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/twin_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/random/dropout.h"
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

double LargestOf(const Vector& numbers) {
  double largest = 0;
  for (const double x : numbers) largest = std::max(largest, std::fabs(x));
  return largest;
}

// Raises `largest` to the differences of one vector. got: read from there on,
// times scale.
void Raise(double& largest, const float* got, double scale,
           const Vector& want) {
  const double unit = std::max(1.0, LargestOf(want));
  for (const double x : want) {
    const double difference = std::fabs(*got++ * scale - x) / unit;
    largest = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                     : std::max(largest, difference);
  }
}

// `row`: the delta row that the engine sent for `step`.
void CompareRow(const Problem& problem, const ReferenceStep& step, double rate,
                const float* row, Deviation& deviation) {
  const bool plain = problem.layout.is_plain();
  const double factor =
      (plain ? -rate : 1) / static_cast<double>(step.samples.size());
  for (size_t k = 0; k < problem.layout.layers().size(); ++k) {
    const LayerLayout& layer = problem.layout.layers()[k];
    const float* part = row + layer.delta_begin;
    if (layer.form == DeltaForm::kDense) {
      if (!plain) continue;  // D is the optimiser's, which the twin hasn't
      const auto begin = step.gradient.begin() +
                         static_cast<std::ptrdiff_t>(layer.weights_begin);
      const auto length = static_cast<std::ptrdiff_t>(layer.delta_length);
      Raise(deviation.signals, part, -1 / rate, Vector(begin, begin + length));
      continue;
    }
    for (const ReferenceSample& sample : step.samples) {
      Raise(deviation.signals, part, 1 / factor, sample.passes[k].signal);
      part += layer.outputs;
      if (k == 0) continue;
      Raise(deviation.activations, part, 1, sample.passes[k].inputs);
      part += layer.inputs;
    }
  }
}

double KinkDistance(const ReferenceStep& step) {
  double distance = std::numeric_limits<double>::infinity();
  for (const ReferenceSample& sample : step.samples) {
    distance = std::min(distance, sample.kink_distance);
  }
  return distance;
}

void CompareOutputs(const ReferenceStep& step, const float* outputs,
                    Deviation& deviation) {
  for (const ReferenceSample& sample : step.samples) {
    Raise(deviation.outputs, outputs, 1, sample.outputs());
    outputs += sample.outputs().size();
  }
}

// Row r of `numbers`.
Vector RowOf(const std::vector<float>& numbers, size_t length, size_t r) {
  return Doubles(std::span(numbers).subspan(r * length, length));
}

// Of the session's step and the sample's number within it.
std::vector<Vector> DropoutOf(const Problem& problem, uint64_t step,
                              size_t sample) {
  std::vector<Vector> all(problem.network.layers.size());
  for (size_t k = 0; k < all.size(); ++k) {
    const LayerSpec& layer = problem.network.layers[k];
    if (layer.dropout == 0) continue;
    std::vector<float> factors(layer.size);
    DropoutFactors(
        {problem.dropout_seed, step, static_cast<uint32_t>(k + 1), sample},
        layer.dropout, factors);
    all[k] = Doubles(factors);
  }
  return all;
}

}  // namespace

double Deviation::Largest() const {
  return std::max({outputs, error, activations, signals, weights});
}

std::ostream& operator<<(std::ostream& out, const Deviation& deviation) {
  return out << "outputs " << deviation.outputs << ", error " << deviation.error
             << ", activations " << deviation.activations << ", signals "
             << deviation.signals << ", weights " << deviation.weights
             << ", kinks " << deviation.kinks;
}

std::vector<Sample> SamplesOfStep(const Problem& problem, size_t t) {
  std::vector<Sample> samples;
  const Layout& layout = problem.layout;
  for (size_t s = 0; s < layout.batch_size(); ++s) {
    const size_t at = t * layout.batch_size() + s;
    samples.push_back(
        {RowOf(problem.inputs, layout.input_size(), at),
         RowOf(problem.targets, layout.output_size(), at),
         problem.sample_weights.empty() ? 1 : problem.sample_weights[at],
         DropoutOf(problem, problem.first_step + t, s)});
  }
  return samples;
}

Deviation CompareWithTwin(const Problem& problem, const Results& results,
                          Weights weights, double kink) {
  const Layout& layout = problem.layout;
  const LearningRate rates(problem.schedule);
  const size_t outputs = layout.batch_size() * layout.output_size();
  ReferenceTrainer twin(problem.network, Doubles(problem.weights));
  std::vector<float> engine = problem.weights;  // the engine's, step by step
  std::vector<float> state = problem.state;
  Deviation deviation;
  for (size_t t = 0; t < problem.steps(); ++t) {
    if (weights == Weights::kSame) twin.set_weights(Doubles(engine));
    const double rate = rates.Rate(t);
    const ReferenceStep step = twin.Step(SamplesOfStep(problem, t), rate);
    ApplyReferenceStep(layout, StepOf(problem, results, t), engine, state);
    CompareOutputs(step, &results.outputs[t * outputs], deviation);
    Raise(deviation.error, &results.errors[t], 1, {step.error});
    if (KinkDistance(step) < kink) {
      ++deviation.kinks;
      twin.set_weights(Doubles(engine));
      continue;
    }
    CompareRow(problem, step, rate,
               &results.deltas[t * layout.delta_row_length()], deviation);
    if (weights == Weights::kSame) continue;
    Raise(deviation.weights, engine.data(), 1, twin.weights());
  }
  return deviation;
}

void ExpectNearTwin(const std::vector<Problem>& problems, Weights weights,
                    const Bounds& bounds) {
  Trainer trainer;
  size_t steps = 0;
  size_t kinks = 0;
  for (const Problem& problem : problems) {
    const Results results = Train(trainer, problem);
    ASSERT_EQ(results.applied, problem.steps()) << problem.name();
    const Deviation deviation =
        CompareWithTwin(problem, results, weights, bounds.kink);
    EXPECT_LE(deviation.Largest(), bounds.difference)
        << problem.name() << ": " << deviation;
    steps += problem.steps();
    kinks += deviation.kinks;
  }
  EXPECT_LE(kinks, steps / 20) << "so many steps were not compared";
}

}  // namespace backprop::testing
