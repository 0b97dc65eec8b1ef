// SPDX-License-Identifier: Apache-2.0
//
// Every optimiser in every form, on every kind of CPU that this one can be:
// rows and scalars that the trainer hands out make its weights and state again,
// bit for bit, be they applied by ApplyDelta or by the contract's formulas.
#include <gtest/gtest.h>

#include <vector>

#include "engine/training/trainer.h"
#include "tests/engine/every_target.h"
#include "tests/engine/named_optimiser.h"
#include "tests/twins/replay.h"

namespace backprop::testing {
namespace {

constexpr size_t kSteps = 12;

// Sizes that leave remainders by every vector length.
const Shape kShape = {19, {21, 17, 5}};

// With sample weights, and a rate that every step changes.
Problem MakeReplicaProblem(const NamedOptimiser& optimiser,
                           std::span<const DeltaForm> forms, size_t batch_size,
                           float dropout) {
  NetworkSpec network = MakeNetwork(
      kShape,
      {Activation::kGelu, Activation::kIdentity, Loss::kMeanSquaredError});
  network.layers[0].dropout = dropout;
  network.layers[1].dropout = dropout / 2;
  Problem problem = MakeProblem(network, MakeLayout(network, batch_size, forms),
                                0, kSteps, 21);
  Use(optimiser, problem);
  problem.schedule.kind = ExponentialDecay{.factor = 0.9F};
  problem.schedule.warmup_steps = 3;
  problem.sample_weights = Random(22).Uniforms(kSteps * batch_size, 0, 2);
  problem.sample_weights[1] = 0;
  problem.dropout_seed = 23;
  problem.state_age = 4;
  LetStateFade(problem);
  return problem;
}

void CheckOptimiser(Trainer& trainer, const NamedOptimiser& optimiser) {
  for (const auto& forms : AllForms(kShape.sizes.size())) {
    for (const size_t batch_size : {1, 3}) {
      for (const float dropout : {0.0F, 0.5F}) {
        const Problem problem =
            MakeReplicaProblem(optimiser, forms, batch_size, dropout);
        SCOPED_TRACE(optimiser.name);
        const Results results = Train(trainer, problem, {.lengths = {5, 1, 4}});
        ASSERT_EQ(results.applied, kSteps) << problem.name();
        ASSERT_NE(Bits(results.weights), Bits(problem.weights));
        ExpectReplayed(problem, results);
      }
    }
  }
}

TEST(ReplicaTest, EveryOptimiserIsReproducedBitForBit) {
  OnEveryTarget([] {
    Trainer trainer;
    for (const NamedOptimiser& optimiser : AllOptimisers()) {
      CheckOptimiser(trainer, optimiser);
    }
  });
}

// A DENSE layer's D comes from the same optimiser: one sample's gradient is one
// product, so that D is a FACTORED layer's bit for bit, step after step.
TEST(ReplicaTest, DenseLayersGetTheDeltasOfFactoredOnes) {
  Trainer trainer;
  for (const NamedOptimiser& optimiser : AllOptimisers()) {
    if (optimiser.optimiser.max_norm > 0) continue;  // norms are rounded sums
    std::vector<Results> results;
    for (const auto& forms : AllForms(kShape.sizes.size())) {
      results.push_back(Train(trainer,
                              MakeReplicaProblem(optimiser, forms, 1, 0),
                              {.lengths = {1}}));
      EXPECT_EQ(Bits(results.back().weights), Bits(results.front().weights))
          << optimiser.name;
      EXPECT_EQ(Bits(results.back().state), Bits(results.front().state))
          << optimiser.name;
    }
  }
}

}  // namespace
}  // namespace backprop::testing
