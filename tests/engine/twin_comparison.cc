// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/twin_comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/engine/reference_delta.h"

namespace backprop::testing {
namespace {

// Raises `largest` to |got − want|.
void Raise(double& largest, double got, double want) {
  const double difference = std::fabs(got - want);
  largest = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                   : std::max(largest, difference);
}

void CompareFactors(const ReferencePass& pass, bool with_inputs, double factor,
                    const float* part, Deviation& deviation) {
  for (const double signal : pass.signal) {
    Raise(deviation.signals, *part++ / factor, signal);
  }
  if (!with_inputs) return;
  for (const double a : pass.inputs) Raise(deviation.activations, *part++, a);
}

// `row`: the delta row that the engine sent for `step`.
void CompareRow(const Problem& problem, const ReferenceStep& step,
                const float* row, Deviation& deviation) {
  const double rate = problem.learning_rate;
  const double factor = -rate / static_cast<double>(step.samples.size());
  for (size_t k = 0; k < problem.layout.layers().size(); ++k) {
    const LayerLayout& layer = problem.layout.layers()[k];
    const float* part = row + layer.delta_begin;
    if (layer.form == DeltaForm::kDense) {
      for (size_t i = 0; i < layer.delta_length; ++i) {
        Raise(deviation.signals, part[i] / rate,
              step.delta[layer.weights_begin + i] / rate);
      }
      continue;
    }
    for (const ReferenceSample& sample : step.samples) {
      CompareFactors(sample.passes[k], k > 0, factor, part, deviation);
      part += layer.outputs + (k > 0 ? layer.inputs : 0);
    }
  }
}

double KinkDistance(const NetworkSpec& network, const ReferenceStep& step) {
  double distance = std::numeric_limits<double>::infinity();
  for (const ReferenceSample& sample : step.samples) {
    distance = std::min(distance, sample.KinkDistance(network));
  }
  return distance;
}

void CompareOutputs(const ReferenceStep& step, const float* outputs,
                    Deviation& deviation) {
  for (const ReferenceSample& sample : step.samples) {
    for (const double y : sample.outputs()) {
      Raise(deviation.outputs, *outputs++, y);
    }
  }
}

}  // namespace

bool Deviation::Within(double bound) const {
  return std::max({outputs, error, activations, signals, weights}) <= bound;
}

std::ostream& operator<<(std::ostream& out, const Deviation& deviation) {
  return out << "outputs " << deviation.outputs << ", error " << deviation.error
             << ", activations " << deviation.activations << ", signals "
             << deviation.signals << ", weights " << deviation.weights
             << ", kinks " << deviation.kinks;
}

std::vector<Vector> SamplesOfStep(std::span<const float> numbers, size_t row,
                                  size_t batch_size, size_t step) {
  std::vector<Vector> samples;
  for (size_t s = 0; s < batch_size; ++s) {
    samples.push_back(
        Doubles(numbers.subspan((step * batch_size + s) * row, row)));
  }
  return samples;
}

Deviation CompareWithTwin(const Problem& problem, const Results& results,
                          Weights weights, double kink) {
  const Layout& layout = problem.layout;
  const size_t batch = layout.batch_size();
  const size_t in = layout.input_size();
  const size_t out = layout.output_size();
  const size_t row = layout.delta_row_length();
  ReferenceSgd sgd(problem.learning_rate);
  ReferenceTrainer twin(problem.network, sgd, Doubles(problem.weights));
  std::vector<float> engine = problem.weights;  // the engine's, step by step
  Deviation deviation;
  for (size_t t = 0; t < problem.steps(); ++t) {
    if (weights == Weights::kSame) twin.set_weights(Doubles(engine));
    const ReferenceStep step =
        twin.Step(SamplesOfStep(problem.inputs, in, batch, t),
                  SamplesOfStep(problem.targets, out, batch, t));
    ApplyReferenceDeltas(
        layout, std::span(results.deltas).subspan(t * row, row),
        std::span(problem.inputs).subspan(t * batch * in, batch * in), engine);
    CompareOutputs(step, &results.outputs[t * batch * out], deviation);
    Raise(deviation.error, results.errors[t] / (1 + step.error),
          step.error / (1 + step.error));
    if (KinkDistance(problem.network, step) < kink) {
      ++deviation.kinks;
      twin.set_weights(Doubles(engine));
      continue;
    }
    CompareRow(problem, step, &results.deltas[t * row], deviation);
    if (weights == Weights::kSame) continue;
    for (size_t i = 0; i < engine.size(); ++i) {
      Raise(deviation.weights, engine[i], twin.weights()[i]);
    }
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
    EXPECT_TRUE(deviation.Within(bounds.difference))
        << problem.name() << ": " << deviation;
    steps += problem.steps();
    kinks += deviation.kinks;
  }
  EXPECT_LE(kinks, steps / 20) << "so many steps were not compared";
}

}  // namespace backprop::testing
