// SPDX-License-Identifier: Apache-2.0
//
// The block form of optimisers that are linear in the gradient: its recurrence,
// and whole runs against the naive twin and the delta contract.
#include "engine/training/recurrence.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/training/block_trainer.h"
#include "tests/engine/named_optimiser.h"
#include "tests/twins/replay.h"
#include "tests/twins/twin_comparison.h"

namespace backprop::testing {
namespace {

constexpr const char* kOptimisers[] = {"momentum", "nesterov", "sgd+l2",
                                       "momentum+l2", "nesterov+l2"};

NamedOptimiser Linear(const std::string& name, float decoupled_decay) {
  NamedOptimiser named = OptimiserOf(name);
  named.optimiser.decoupled_decay = decoupled_decay;
  return named;
}

// One weight through the formulas of delta.proto (7), one step after another.
struct Weight {
  double w;
  double m;

  void Step(const Optimiser& optimiser, double rate, double g) {
    const bool plain = std::holds_alternative<rules::Sgd>(optimiser.rule);
    const bool nesterov =
        std::holds_alternative<rules::Nesterov>(optimiser.rule);
    const double momentum = plain ? 0 : double{0.9F};  // OptimiserOf's
    g += optimiser.l2 * w;
    m = momentum * m + g;
    const double p = nesterov ? g + momentum * m : m;
    w -= rate * p + rate * optimiser.decoupled_decay * w;
  }
};

TEST(RecurrenceTest, IsTheOptimisersFormulaSteppedThrough) {
  constexpr size_t kSteps = 40;
  Random random(4);
  for (const char* name : kOptimisers) {
    for (const float decay : {0.0F, 0.1F}) {
      const Optimiser optimiser = Linear(name, decay).optimiser;
      ASSERT_TRUE(Recurrence::Covers(optimiser)) << name;
      const Rule rule = RuleOf(optimiser);
      const size_t count = ScalarCount(rule);
      std::vector<float> scalars(kSteps * count);
      std::vector<float> rates = random.Uniforms(kSteps, 0.01F, 0.2F);
      for (size_t t = 0; t < kSteps; ++t) {
        StepScalars(optimiser, rates[t], t + 1,
                    std::span(scalars).subspan(t * count, count));
      }
      Recurrence recurrence;
      recurrence.Load(rule, scalars, kSteps);
      const std::vector<float> g = random.Uniforms(kSteps, -1, 1);
      const double w = random.Uniform(-1, 1);
      const double m = StateCount(rule) > 0 ? random.Uniform(-1, 1) : 0.0F;
      Weight weight{w, m};
      for (size_t t = 0; t < kSteps; ++t) {
        double sum = recurrence.keep(t) * w + recurrence.push(t) * m;
        for (size_t s = 0; s < t; ++s) sum += recurrence.answer(t, s) * g[s];
        ASSERT_NEAR(sum, weight.w, 1e-5) << name << ", step " << t;
        weight.Step(optimiser, rates[t], g[t]);
      }
    }
  }
}

TEST(RecurrenceTest, WhatIsNotLinearIsNotCovered) {
  EXPECT_FALSE(Recurrence::Covers({.l1 = 0.1F}));
  EXPECT_FALSE(Recurrence::Covers({.max_norm = 1}));
  EXPECT_FALSE(Recurrence::Covers({.max_value = 1}));
  EXPECT_FALSE(Recurrence::Covers({.rule = rules::Adagrad()}));
  EXPECT_FALSE(Recurrence::Covers({.rule = rules::RmsProp()}));
  EXPECT_FALSE(Recurrence::Covers({.rule = rules::Adam()}));
  EXPECT_FALSE(Recurrence::Covers({.rule = rules::Lion()}));
}

// Networks that the block form takes.
Problem ProblemOf(const std::vector<size_t>& sizes, Activation hidden,
                  const NamedOptimiser& optimiser,
                  std::span<const DeltaForm> forms = {}) {
  const NetworkSpec network = MakeNetwork(
      {300, sizes}, {hidden, Activation::kSoftmax, Loss::kCrossEntropy});
  Problem problem =
      MakeProblem(network, MakeLayout(network, 1, forms), 0.002F, 45, 12);
  Use(optimiser, problem);
  problem.schedule = {.kind = ExponentialDecay{.factor = 0.99F},
                      .learning_rate = 0.002F};
  LetStateFade(problem);
  return problem;
}

void ExpectTaken(const Problem& problem) {
  const LearningRate rate(problem.schedule);
  ASSERT_TRUE(BlockTrainer::Takes(TrainingOf(problem, rate)))
      << problem.name() << " goes another way: this test shows nothing";
}

// As TrainerRandomTest's bound where earlier layers are iterated.
constexpr double kBound = 0x1p-16;

TEST(LinearBlockTest, EveryStepIsTheTwinsAndReplaysToTheSameBits) {
  for (const char* name : kOptimisers) {
    for (const float decay : {0.0F, 0.1F}) {
      for (const Activation hidden :
           {Activation::kTanh, Activation::kSigmoid}) {
        const Problem problem =
            ProblemOf({250, 10}, hidden, Linear(name, decay));
        ExpectTaken(problem);
        Trainer trainer;
        const Results results =
            Train(trainer, problem, {.lengths = {1, 40, 7}});
        ASSERT_EQ(results.applied, problem.steps());
        const Deviation deviation =
            CompareWithTwin(problem, results, Weights::kSame, 0);
        EXPECT_LE(deviation.Largest(), kBound)
            << name << " " << problem.name() << ": " << deviation;
        ExpectReplayed(problem, results);
      }
    }
  }
}

TEST(LinearBlockTest, DenseLayersSendTheirDelta) {
  for (const NamedOptimiser& optimiser :
       {Linear("momentum", 0), Linear("momentum+l2", 0.1F)}) {
    std::vector<Results> all;
    for (const auto& forms : AllForms(2)) {
      const Problem problem =
          ProblemOf({250, 10}, Activation::kTanh, optimiser, forms);
      ExpectTaken(problem);
      Trainer trainer;
      all.push_back(Train(trainer, problem));
      ASSERT_EQ(all.back().applied, problem.steps());
      ExpectReplayed(problem, all.back());
      EXPECT_EQ(Bits(all.back().state), Bits(all.front().state));
    }
  }
}

TEST(LinearBlockTest, OneLayerNeedsNoIteration) {
  const Problem problem =
      ProblemOf({220}, Activation::kTanh, Linear("nesterov", 0));
  ExpectTaken(problem);
  Trainer trainer;
  const Results results = Train(trainer, problem);
  ASSERT_EQ(results.applied, problem.steps());
  EXPECT_LE(CompareWithTwin(problem, results, Weights::kSame, 0).Largest(),
            kBound);
  ExpectReplayed(problem, results);
}

TEST(LinearBlockTest, StepThatIsRefusedLeavesWhatWasBeforeIt) {
  for (const size_t broken : {0, 3, 33, 44}) {
    Problem problem =
        ProblemOf({250, 10}, Activation::kTanh, Linear("momentum", 0));
    problem.targets[broken * 10] = 1e20F;  // a gradient beyond 2^48
    Trainer trainer;
    const Results results = Train(trainer, problem);
    EXPECT_EQ(results.applied, broken);
    ExpectReplayed(problem, results);
  }
}

}  // namespace
}  // namespace backprop::testing
