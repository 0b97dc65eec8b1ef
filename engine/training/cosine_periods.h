// SPDX-License-Identifier: Apache-2.0
//
// The periods of a CosineDecay with restarts: each is period_factor times
// as long as the one before, rounded. Rounding leaves no formula for where the
// n-th begins, so they are walked one by one, and only so many.
#ifndef BACKPROP_ENGINE_TRAINING_COSINE_PERIODS_H_
#define BACKPROP_ENGINE_TRAINING_COSINE_PERIODS_H_

#include <cstdint>

namespace backprop {

// As many are walked to find a position, which takes about 20 ms. Periods
// that grow by one step each, as slowly as they can, hold 2·10^12 steps
// together: eight months at 100,000 steps a second.
inline constexpr uint64_t kMostPeriods = uint64_t{1} << 21;

// Length of the period that follows one of `length` steps; UINT64_MAX: it has
// no end. Where it is `length`, so are all that follow.
uint64_t NextPeriod(uint64_t length, double factor);

// Whether `age` steps, without the warm-up's, are beyond the first
// kMostPeriods, the first of them of `length` steps. Never where their growth
// ends before.
bool IsBeyondMostPeriods(uint64_t age, uint64_t length, double factor);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_COSINE_PERIODS_H_
