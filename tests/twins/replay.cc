// SPDX-License-Identifier: Apache-2.0
#include "tests/twins/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/contract/delta.h"
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

struct Replica {
  std::vector<float> weights;
  std::vector<float> state;
};

// A DENSE layer's receiver keeps no state.
bool KeepsAllState(const Layout& layout) {
  return std::ranges::all_of(layout.layers(), [](const LayerLayout& layer) {
    return layer.form == DeltaForm::kFactored;
  });
}

void ExpectSame(const Problem& problem, const Results& results,
                const Replica& replica, const char* by) {
  EXPECT_EQ(Bits(results.weights), Bits(replica.weights))
      << problem.name() << " by " << by;
  if (!KeepsAllState(problem.layout)) return;
  EXPECT_EQ(Bits(results.state), Bits(replica.state))
      << problem.name() << " by " << by;
}

// (5): what FACTORED layers send is +0 or at least 2^−60.
void ExpectFlushed(const Problem& problem, const StepDelta& step) {
  for (const LayerLayout& layer : problem.layout.layers()) {
    if (layer.form == DeltaForm::kDense) continue;
    for (const float factor :
         step.row.subspan(layer.delta_begin, layer.delta_length)) {
      const bool zero = std::bit_cast<uint32_t>(factor) == 0;
      ASSERT_TRUE(zero || std::fabs(factor) >= 0x1p-60F)
          << problem.name() << ": " << factor;
    }
  }
}

// The row that step t, from 0, must have.
std::vector<float> ScalarsOf(const Problem& problem, const LearningRate& rates,
                             size_t t) {
  std::vector<float> scalars(problem.layout.scalar_count());
  StepScalars(problem.optimiser, rates.Rate(t), problem.state_age + t + 1,
              scalars);
  return scalars;
}

// All steps of the run, as StepOf has one.
StepDelta RunOf(const Problem& problem, const Results& results) {
  return {.number = problem.first_step,
          .row = results.deltas,
          .inputs = problem.inputs,
          .scalars = results.scalars};
}

}  // namespace

void ExpectReplayed(const Problem& problem, const Results& results) {
  Replica engine{problem.weights, problem.state};
  Replica reference = engine;
  const size_t count = problem.weights.size();
  const LearningRate rates(problem.schedule);
  for (size_t t = 0; t < results.applied; ++t) {
    const StepDelta step = StepOf(problem, results, t);
    ExpectFlushed(problem, step);
    ASSERT_EQ(Bits(step.scalars), Bits(ScalarsOf(problem, rates, t)))
        << problem.name() << ", step " << t;
    ApplyDelta(problem.layout, step, engine.weights, engine.state);
    const std::vector<float> delta = ApplyReferenceStep(
        problem.layout, step, reference.weights, reference.state);
    if (results.full_deltas.empty()) continue;
    ASSERT_EQ(Bits(std::span(results.full_deltas).subspan(t * count, count)),
              Bits(delta))
        << problem.name() << ", step " << t;
  }
  Replica at_once{problem.weights, problem.state};
  ApplyDeltas(problem.layout, RunOf(problem, results), results.applied,
              at_once.weights, at_once.state);
  ExpectSame(problem, results, at_once, "ApplyDeltas");
  ExpectSame(problem, results, engine, "ApplyDelta");
  ExpectSame(problem, results, reference, "the contract's formulas");
}

}  // namespace backprop::testing
