// SPDX-License-Identifier: Apache-2.0
//
// The rules by which gradients become weight deltas (delta.proto (7)): a struct
// for each, and the one list of them. Whatever depends on the rule (the widths
// of state and scalar rows, the passes over weights, what a step may be, what a
// replica does) is made from that list, so that a rule that lacks something
// does not compile.
//
// A rule's struct has
//   - kRule: its number in v1.Rule, the next one of the list;
//   - kState: its state vectors, in order: the range of each one's numbers;
//   - kOwnScalars: how many scalars follow the common ones in a scalar row;
//   - kBoundedByMoment: whether Bound reads |m|, m being the first state
//   vector;
//   - Bound: what |m| and |p| are at most after a step;
// and, as members, the hyperparameters that are its own, with
//   - Check: what they must be; fields are named as in v1.Optimiser;
//   - Scalars: its own scalars, in double; returns what α is multiplied by.
// Its Direction, which makes p, stands in engine/contract/rules-inl.h.
#ifndef BACKPROP_ENGINE_CONTRACT_RULES_H_
#define BACKPROP_ENGINE_CONTRACT_RULES_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "engine/contract/field_checks.h"

namespace backprop {

// A number of v1.Rule. The structs below name them: rules::Adam::kRule.
enum class Rule : uint8_t {};

// What every number of a state vector lies in, whatever the steps were: what
// |g| ≤ 2^48 and g² ≤ 2^96 make of zero for ever. Within it no step makes a
// number infinite or NaN (engine/training/step_bounds.cc).
//
// smallest: what is smaller in magnitude becomes 0 from time to time
// (IsFlushStep), so that nothing stays among subnormal numbers, which cost 2 to
// 10 times as much; 0 where nothing fades.
struct StateRange {
  float least;
  float largest;
  float smallest = 0;
};
// Σ μ^k·g, for Σ μ^k ≤ 1/(1 − μ) ≤ 2^24.
inline constexpr StateRange kMomentumSum{-0x1p72F, 0x1p72F, 0x1p-60F};
// A weighted mean of g.
inline constexpr StateRange kMean{-0x1p48F, 0x1p48F, 0x1p-60F};
// Σ g², which stands still from 2^121 on, where fl(v + 2^96) = v.
inline constexpr StateRange kSquareSum{0, 0x1p121F};
// A weighted mean of g².
inline constexpr StateRange kSquareMean{0, 0x1p96F, 0x1p-120F};

// Whether a step ends with a look for state that is too small. Steps are
// numbered from 1 on.
inline constexpr uint64_t kFlushPeriod = 64;
constexpr bool IsFlushStep(uint64_t step) { return step % kFlushPeriod == 0; }

// Upper bounds of |m| and |p| after a step.
struct Reach {
  double moment;
  double p;
};

// An upper bound of what at most 16 operations that round make of something
// that is at most `bound` in exact arithmetic: each adds 2^−24 of the result or
// 2^−150.
inline double Rounded(double bound) { return bound * (1 + 0x1p-20) + 0x1p-140; }

namespace rules {

// D = g: the factors make the weight delta itself (FACTOR_KIND_DELTA), which is
// plain descent with nothing beside it. There is no scalar row.
struct None {
  static constexpr Rule kRule{1};
  static constexpr std::array<StateRange, 0> kState{};
  static constexpr size_t kOwnScalars = 0;
  static constexpr bool kBoundedByMoment = false;

  static Reach Bound(const float*, double g, double m) { return {m, g}; }
};

// p = g. Its scalar, μ = 0, is not read.
struct Sgd {
  static constexpr Rule kRule{2};
  static constexpr std::array<StateRange, 0> kState{};
  static constexpr size_t kOwnScalars = 1;
  static constexpr bool kBoundedByMoment = false;

  void Check(FieldChecks&) const {}
  double Scalars(uint64_t, double* own) const {
    own[0] = 0;
    return 1;
  }
  static Reach Bound(const float*, double g, double m) { return {m, g}; }
};

struct Momentum {
  static constexpr Rule kRule{3};
  static constexpr std::array kState{kMomentumSum};
  static constexpr size_t kOwnScalars = 1;
  static constexpr bool kBoundedByMoment = true;

  float momentum = 0;  // μ

  void Check(FieldChecks& checks) const {
    checks.Share("sgd.momentum", momentum);
  }
  double Scalars(uint64_t, double* own) const {
    own[0] = momentum;
    return 1;
  }
  static Reach Bound(const float* own, double g, double m) {
    const double moment = Rounded(own[0] * m + g);
    return {moment, moment};
  }
};

struct Nesterov {
  static constexpr Rule kRule{4};
  static constexpr std::array kState{kMomentumSum};
  static constexpr size_t kOwnScalars = 1;
  static constexpr bool kBoundedByMoment = true;

  float momentum = 0;  // μ

  void Check(FieldChecks& checks) const {
    checks.Share("sgd.momentum", momentum);
    if (momentum == 0) {
      checks.Refuse("sgd.nesterov", "needs momentum: set sgd.momentum");
    }
  }
  double Scalars(uint64_t, double* own) const {
    own[0] = momentum;
    return 1;
  }
  static Reach Bound(const float* own, double g, double m) {
    const double moment = Rounded(own[0] * m + g);
    return {moment, g + own[0] * moment};
  }
};

struct Adagrad {
  static constexpr Rule kRule{5};
  static constexpr std::array kState{kSquareSum};
  static constexpr size_t kOwnScalars = 1;
  static constexpr bool kBoundedByMoment = false;

  float epsilon = 1e-10F;

  void Check(FieldChecks& checks) const {
    checks.Epsilon("adagrad.epsilon", epsilon);
  }
  double Scalars(uint64_t, double* own) const {
    own[0] = epsilon;
    return 1;
  }
  static Reach Bound(const float* own, double g, double m) {
    return {m, g / own[0]};  // fl(fl(√v) + ε) ≥ ε, here and below
  }
};

struct RmsProp {
  static constexpr Rule kRule{6};
  static constexpr std::array kState{kSquareMean};
  static constexpr size_t kOwnScalars = 3;
  static constexpr bool kBoundedByMoment = false;

  float decay = 0.99F;  // ρ
  float epsilon = 1e-8F;

  void Check(FieldChecks& checks) const {
    checks.Share("rms_prop.decay", decay);
    checks.Epsilon("rms_prop.epsilon", epsilon);
  }
  double Scalars(uint64_t, double* own) const {
    own[0] = decay;
    own[1] = 1 - double{decay};
    own[2] = epsilon;
    return 1;
  }
  static Reach Bound(const float* own, double g, double m) {
    return {m, g / own[2]};
  }
};

struct Adam {
  static constexpr Rule kRule{7};
  static constexpr std::array kState{kMean, kSquareMean};
  static constexpr size_t kOwnScalars = 5;
  static constexpr bool kBoundedByMoment = true;

  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;

  void Check(FieldChecks& checks) const {
    checks.Share("adam.beta1", beta1);
    checks.Share("adam.beta2", beta2);
    checks.Epsilon("adam.epsilon", epsilon);
  }
  double Scalars(uint64_t age, double* own) const {
    const auto n = static_cast<double>(age);
    const double root = std::sqrt(1 - std::pow(double{beta2}, n));
    own[0] = beta1;
    own[1] = 1 - double{beta1};
    own[2] = beta2;
    own[3] = 1 - double{beta2};
    own[4] = epsilon * root;
    return root / (1 - std::pow(double{beta1}, n));
  }
  static Reach Bound(const float* own, double g, double m) {
    const double moment = Rounded(own[0] * m + own[1] * g);
    return {moment, moment / own[4]};
  }
};

struct Lion {
  static constexpr Rule kRule{8};
  static constexpr std::array kState{kMean};
  static constexpr size_t kOwnScalars = 4;
  static constexpr bool kBoundedByMoment = false;

  float beta1 = 0.9F;
  float beta2 = 0.99F;

  void Check(FieldChecks& checks) const {
    checks.Share("lion.beta1", beta1);
    checks.Share("lion.beta2", beta2);
  }
  double Scalars(uint64_t, double* own) const {
    own[0] = beta1;
    own[1] = 1 - double{beta1};
    own[2] = beta2;
    own[3] = 1 - double{beta2};
    return 1;
  }
  // p is a sign, whatever g and m are: c is finite, as m is within kMean.
  static Reach Bound(const float*, double, double m) { return {m, 1}; }
};

}  // namespace rules

namespace internal {

template <class First, class... Rest, class F>
constexpr auto CallFor(Rule rule, F& f) {
  if (rule == First::kRule) return f(First());
  if constexpr (sizeof...(Rest) > 0) {
    return CallFor<Rest...>(rule, f);
  } else {
    std::abort();  // no Rule: one comes of a struct, or has passed Rules::Has
  }
}

}  // namespace internal

// Rules by number, from 1 on; the first of them is no optimiser's.
template <class None, class... Others>
struct RuleList {
  // The hyperparameters of an optimiser: one of the others' structs.
  using Choice = std::variant<Others...>;
  static constexpr int kCount = 1 + sizeof...(Others);
  static constexpr size_t kMostStates = std::max({Others::kState.size()...});
  static constexpr size_t kMostOwnScalars = std::max({Others::kOwnScalars...});

  static constexpr bool Has(int number) {
    return ((number == static_cast<int>(None::kRule)) || ... ||
            (number == static_cast<int>(Others::kRule)));
  }
  static constexpr bool IsInOrder() {
    int next = 1;
    return ((static_cast<int>(None::kRule) == next) && ... &&
            (static_cast<int>(Others::kRule) == ++next));
  }
  template <class F>
  static constexpr auto Call(Rule rule, F& f) {
    return internal::CallFor<None, Others...>(rule, f);
  }
};

using Rules =
    RuleList<rules::None, rules::Sgd, rules::Momentum, rules::Nesterov,
             rules::Adagrad, rules::RmsProp, rules::Adam, rules::Lion>;
static_assert(Rules::IsInOrder());

inline constexpr size_t kMostStates = Rules::kMostStates;

// What every scalar row begins with: rate, l2, l1, decay, clip.
inline constexpr size_t kCommonScalars = 5;

// f of the rule's struct: ForRule(rule, [](auto r) { return r.kOwnScalars; }).
template <class F>
constexpr auto ForRule(Rule rule, F f) {
  return Rules::Call(rule, f);
}

}  // namespace backprop

#endif  // BACKPROP_ENGINE_CONTRACT_RULES_H_
