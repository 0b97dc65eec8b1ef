// SPDX-License-Identifier: Apache-2.0
//
// Optimisers: hyperparameters, scalar rows, and the contract's arithmetic bit
// for bit on every kind of CPU that this one can be.
#include "engine/contract/optimiser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "engine/contract/weight_pass.h"
#include "tests/engine/every_target.h"
#include "tests/engine/named_optimiser.h"
#include "tests/twins/reference_delta.h"

namespace backprop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Numbers of many magnitudes, with zeros of both signs and subnormals.
std::vector<float> Mixed(Random& random, size_t size) {
  std::vector<float> numbers = random.Uniforms(size, -1, 1);
  for (float& number : numbers) {
    const auto kind = random.Below(8);
    if (kind == 0) number = 0.0F;
    if (kind == 1) number = -0.0F;
    if (kind == 2) number *= 0x1p-140F;
    if (kind == 3) number *= 0x1p-70F;  // squares underflow
    if (kind == 4) number *= 0x1p30F;
  }
  return numbers;
}

std::vector<float> Magnitudes(std::vector<float> numbers) {
  for (float& number : numbers) number = std::fabs(number);
  return numbers;
}

struct RunNumbers {
  std::vector<float> weights;
  std::vector<float> m;
  std::vector<float> v;
  std::vector<float> g;
};

RunNumbers MakeRun(Rule rule, size_t size) {
  Random random(static_cast<uint32_t>(size));
  RunNumbers run{Mixed(random, size), Mixed(random, size),
                 Magnitudes(Mixed(random, size)), Mixed(random, size)};
  // Where the only state is v, it lies in the first vector.
  if (rule == rules::Adagrad::kRule || rule == rules::RmsProp::kRule) {
    run.m = run.v;
  }
  return run;
}

void CheckGradientToDelta() {
  for (const NamedOptimiser& named : AllOptimisers()) {
    const Optimiser& optimiser = named.optimiser;
    const Rule rule = RuleOf(optimiser);
    if (rule == rules::None::kRule) continue;
    std::vector<float> scalars(ScalarCount(rule));
    StepScalars(optimiser, named.rate, 3, scalars);
    for (size_t size = 0; size < 70; ++size) {
      const uint64_t number = 64 - size % 2;  // state is flushed by every other
      RunNumbers run = MakeRun(rule, size);
      RunNumbers twin = run;
      for (size_t i = 0; i < size; ++i) {
        float state[] = {twin.m[i], twin.v[i]};
        twin.g[i] = WeightDelta(TwinRuleOf(rule), scalars, number, twin.g[i],
                                twin.weights[i], state);
        twin.m[i] = state[0];
        twin.v[i] = state[1];
      }
      GradientToDelta({number, rule, scalars}, {run.weights, {run.m, run.v}},
                      run.g);
      ASSERT_EQ(Bits(run.g), Bits(twin.g)) << named.name << " " << size;
      ASSERT_EQ(Bits(run.m), Bits(twin.m)) << named.name << " " << size;
      ASSERT_EQ(Bits(run.v), Bits(twin.v)) << named.name << " " << size;
      ASSERT_EQ(Bits(run.weights), Bits(twin.weights)) << named.name;
    }
  }
}

void CheckApplyDelta() {
  for (const NamedOptimiser& named : AllOptimisers()) {
    for (const size_t batch_size : {1, 3}) {
      for (const size_t width : {1, 5, 17, 40}) {
        Problem problem = MakeOptimiserProblem(
            {width, 3, width + 1}, batch_size, DeltaForm::kFactored, named, 1);
        Random random(9);
        const Layout& layout = problem.layout;
        const auto row = Mixed(random, layout.delta_row_length());
        const auto inputs = Mixed(random, problem.inputs.size());
        std::vector<float> weights = Mixed(random, layout.weight_count());
        std::vector<float> state =
            Magnitudes(Mixed(random, problem.state.size()));
        std::vector<float> scalars(layout.scalar_count());
        StepScalars(named.optimiser, named.rate, 7, scalars);
        const uint64_t number = 64 - width % 2;
        const StepDelta step{number, row, inputs, scalars};
        auto twin_weights = weights;
        auto twin_state = state;
        std::vector<float> delta(layout.weight_count());
        const std::vector<float> twin_delta =
            ApplyReferenceStep(layout, step, twin_weights, twin_state);
        auto other_weights = weights;
        auto other_state = state;
        ApplyDelta(layout, step, other_weights, other_state);
        ApplyDelta(layout, step, weights, state, delta);
        ASSERT_EQ(Bits(delta), Bits(twin_delta)) << named.name;
        ASSERT_EQ(Bits(weights), Bits(twin_weights)) << named.name;
        ASSERT_EQ(Bits(state), Bits(twin_state)) << named.name;
        ASSERT_EQ(Bits(other_weights), Bits(twin_weights)) << named.name;
        ASSERT_EQ(Bits(other_state), Bits(twin_state)) << named.name;
      }
    }
  }
}

TEST(OptimiserTest, GradientToDeltaIsTheContractsBitForBit) {
  OnEveryTarget(CheckGradientToDelta);
}

TEST(OptimiserTest, ApplyDeltaIsTheContractsBitForBit) {
  OnEveryTarget(CheckApplyDelta);
}

// Subnormal numbers would slow every later step down: with the usual
// hyperparameters, state is looked at before it becomes any.
TEST(OptimiserTest, StateThatNoGradientFeedsFadesToZero) {
  for (const std::string kind :
       {"momentum", "nesterov", "rms_prop", "adam", "lion"}) {
    NamedOptimiser named = OptimiserOf(kind + "+l2+decay");
    if (kind == "adam") named.optimiser.rule = rules::Adam{.beta2 = 0.99F};
    const Rule rule = RuleOf(named.optimiser);
    std::vector<float> weights(5, 0.0F);
    std::vector<float> m(5, 0.1F);
    std::vector<float> v(5, 0.01F);
    std::vector<float> g;
    std::vector<float> scalars(ScalarCount(rule));
    StepScalars(named.optimiser, named.rate, 1000, scalars);
    for (uint64_t step = 1; step <= 10000; ++step) {
      g.assign(5, 0.0F);
      GradientToDelta({step, rule, scalars}, {weights, {m, v}}, g);
      for (const float number : {m[0], v[0]}) {
        ASSERT_NE(std::fpclassify(number), FP_SUBNORMAL) << kind << " " << step;
      }
    }
    EXPECT_EQ(m, std::vector<float>(5, 0.0F)) << kind;
    if (StateCount(rule) < 2) continue;
    EXPECT_EQ(v, std::vector<float>(5, 0.0F)) << kind;
  }
}

std::vector<float> ScalarsOf(const std::string& name, float rate,
                             uint64_t age) {
  const Optimiser optimiser = OptimiserOf(name).optimiser;
  std::vector<float> scalars(ScalarCount(RuleOf(optimiser)));
  StepScalars(optimiser, rate, age, scalars);
  return scalars;
}

TEST(OptimiserTest, ScalarRowsAreTheContracts) {
  EXPECT_THAT(ScalarsOf("sgd", 0.5F, 1), IsEmpty());
  EXPECT_THAT(ScalarsOf("sgd+l2", 0.5F, 1),
              ElementsAre(0.5F, 0.01F, 0, 0, 0, 0));
  EXPECT_THAT(ScalarsOf("momentum+l1+max_value", 0.5F, 9),
              ElementsAre(0.5F, 0, 0.003F, 0, 0.03F, 0.9F));
  EXPECT_THAT(ScalarsOf("adagrad+decay", 0.3F, 1),
              ElementsAre(0.3F, 0, 0, 0.3F * 0.1F, 0, 1e-10F));
  EXPECT_THAT(ScalarsOf("rms_prop", 0.5F, 1),
              ElementsAre(0.5F, 0, 0, 0, 0, 0.99F,
                          static_cast<float>(1 - double{0.99F}), 1e-8F));
}

TEST(OptimiserTest, LionsScalarsAreTheContracts) {
  EXPECT_THAT(ScalarsOf("lion+decay", 0.5F, 9),
              ElementsAre(0.5F, 0, 0, 0.5F * 0.1F, 0, 0.9F,
                          static_cast<float>(1 - double{0.9F}), 0.99F,
                          static_cast<float>(1 - double{0.99F})));
}

// Whatever their sign and the sign of the zeros: D is a step of α or none.
TEST(OptimiserTest, LionMovesByTheSignAndNotAtAllWithoutOne) {
  const Optimiser optimiser{.rule = rules::Lion{.beta1 = 0.5F, .beta2 = 0.5F}};
  std::vector<float> scalars(ScalarCount(rules::Lion::kRule));
  StepScalars(optimiser, 0.25F, 1, scalars);
  std::vector<float> m{0, -0.0F, 1, -1, 1, 0, 0x1p-60F};
  std::vector<float> g{0, -0.0F, -1, 1, 1, -0x1p-149F, 0};
  std::vector<float> weights(m.size(), -0.0F);
  GradientToDelta({64, rules::Lion::kRule, scalars}, {weights, {m}}, g);
  EXPECT_THAT(g, ElementsAre(0, 0, 0, 0, -0.25F, 0, -0.25F));
  EXPECT_TRUE(std::signbit(g[0])) << "so that −0.0 + D is −0.0";
  EXPECT_THAT(m, ElementsAre(0, 0, 0, 0, 1, 0, 0));
}

TEST(OptimiserTest, AdamsScalarsCorrectTheBias) {
  const double b1 = 0.9F;
  const double b2 = 0.999F;
  for (const int n : {1, 2, 10, 100000}) {
    const double root = std::sqrt(1 - std::pow(b2, n));
    const double rate = 0.5 * root / (1 - std::pow(b1, n));
    EXPECT_THAT(ScalarsOf("adam", 0.5F, n),
                ElementsAre(static_cast<float>(rate), 0, 0, 0, 0, 0.9F,
                            static_cast<float>(1 - b1), 0.999F,
                            static_cast<float>(1 - b2),
                            static_cast<float>(double{1e-8F} * root)));
  }
}

Rule RuleNamed(const std::string& name) {
  return RuleOf(OptimiserOf(name).optimiser);
}

TEST(OptimiserTest, OnlyPlainDescentSendsTheDeltaItself) {
  for (const char* name : {"sgd", "sgd+max_norm"}) {
    EXPECT_EQ(RuleNamed(name), rules::None::kRule);
    EXPECT_EQ(ScalarCount(RuleNamed(name)), 0u);
  }
  for (const char* name : {"sgd+l2", "sgd+l1", "sgd+decay", "sgd+max_value",
                           "momentum", "adagrad", "rms_prop", "adam", "lion"}) {
    EXPECT_NE(RuleNamed(name), rules::None::kRule) << name;
  }
  EXPECT_EQ(RuleNamed("sgd+l2"), rules::Sgd::kRule);
  EXPECT_EQ(ScalarCount(rules::Sgd::kRule), 6u);
  EXPECT_EQ(StateCount(rules::Sgd::kRule), 0u);
}

TEST(OptimiserTest, StateIsWhatTheContractSays) {
  EXPECT_EQ(StateCount(RuleNamed("sgd+l2")), 0u);
  EXPECT_EQ(StateCount(RuleNamed("nesterov")), 1u);
  EXPECT_EQ(StateCount(RuleNamed("adagrad")), 1u);
  EXPECT_EQ(StateCount(RuleNamed("rms_prop")), 1u);
  EXPECT_EQ(StateCount(RuleNamed("adam")), 2u);
  EXPECT_EQ(StateCount(RuleNamed("lion")), 1u);
}

TEST(OptimiserTest, OnlyNumbersOfTheListAreRules) {
  EXPECT_FALSE(Rules::Has(0));
  for (const char* name : {"sgd", "sgd+l2", "momentum", "nesterov", "adagrad",
                           "rms_prop", "adam", "lion"}) {
    EXPECT_TRUE(Rules::Has(static_cast<int>(RuleNamed(name)))) << name;
  }
  EXPECT_FALSE(Rules::Has(99));
  EXPECT_FALSE(Rules::Has(256 + 7)) << "as a byte it would be one";
}

struct BadField {
  std::string field;
  std::string kind;
  std::function<void(Optimiser&, float)> set;
  std::vector<float> bad;
  std::vector<float> good;
};

// Sets a hyperparameter of one rule's own.
template <class R>
std::function<void(Optimiser&, float)> Of(float R::*member) {
  return [member](Optimiser& optimiser, float value) {
    std::get<R>(optimiser.rule).*member = value;
  };
}

// Sets one that stands beside the rule.
std::function<void(Optimiser&, float)> Beside(float Optimiser::*member) {
  return [member](Optimiser& optimiser, float value) {
    optimiser.*member = value;
  };
}

std::vector<BadField> BadFields() {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> no_share{-0.1F, 1, 2, inf, nan};
  const std::vector<float> share{0, 0.5F, 0x1.fffffep-1F};
  const std::vector<float> no_epsilon{-1, 0, 1e-21F, inf, nan};
  const std::vector<float> epsilon{1e-20F, 1e-8F, 10};
  const std::vector<float> no_amount{-1e-9F, inf, nan};
  const std::vector<float> amount{0, 1e-9F, 1e9F};
  return {
      {"sgd.momentum", "momentum", Of(&rules::Momentum::momentum), no_share,
       share},
      {"adagrad.epsilon", "adagrad", Of(&rules::Adagrad::epsilon), no_epsilon,
       epsilon},
      {"rms_prop.decay", "rms_prop", Of(&rules::RmsProp::decay), no_share,
       share},
      {"rms_prop.epsilon", "rms_prop", Of(&rules::RmsProp::epsilon), no_epsilon,
       epsilon},
      {"adam.beta1", "adam", Of(&rules::Adam::beta1), no_share, share},
      {"adam.beta2", "adam", Of(&rules::Adam::beta2), no_share, share},
      {"adam.epsilon", "adam", Of(&rules::Adam::epsilon), no_epsilon, epsilon},
      {"lion.beta1", "lion", Of(&rules::Lion::beta1), no_share, share},
      {"lion.beta2", "lion", Of(&rules::Lion::beta2), no_share, share},
      {"l2", "sgd", Beside(&Optimiser::l2), no_amount, amount},
      {"l1", "adam", Beside(&Optimiser::l1), no_amount, amount},
      {"decoupled_decay", "adam", Beside(&Optimiser::decoupled_decay),
       no_amount, amount},
      {"clipping.max_norm", "sgd", Beside(&Optimiser::max_norm), no_amount,
       amount},
      {"clipping.max_value", "adam", Beside(&Optimiser::max_value), no_amount,
       amount}};
}

TEST(OptimiserTest, EveryFieldIsChecked) {
  for (const BadField& field : BadFields()) {
    Optimiser optimiser = OptimiserOf(field.kind).optimiser;
    EXPECT_THAT(Validate(optimiser), IsEmpty()) << field.kind;
    for (const float value : field.good) {
      field.set(optimiser, value);
      EXPECT_THAT(Validate(optimiser), IsEmpty()) << field.field << value;
    }
    for (const float value : field.bad) {
      field.set(optimiser, value);
      EXPECT_THAT(Fields(Validate(optimiser)), ElementsAre(field.field))
          << value;
    }
  }
}

TEST(OptimiserTest, NesterovNeedsMomentum) {
  Optimiser optimiser;
  optimiser.rule = rules::Nesterov();
  EXPECT_THAT(Fields(Validate(optimiser)), ElementsAre("sgd.nesterov"));
}

}  // namespace
}  // namespace backprop::testing
