// SPDX-License-Identifier: Apache-2.0
//
// What the metrics keep of a turn's errors, gathered at a few nanoseconds a
// step.
#ifndef BACKPROP_SERVER_OPS_ERROR_STATISTICS_H_
#define BACKPROP_SERVER_OPS_ERROR_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace backprop {

// Upper bounds of the error histogram's buckets: half a decade each, from
// "learnt by heart" (1e-5) over ln 10 (guessing among ten classes) to a
// regression on raw targets (300). Sixteen, so that they fit vector registers.
inline constexpr std::array<float, 16> kErrorBounds = {
    1e-5F, 3e-5F, 1e-4F, 3e-4F, 1e-3F, 3e-3F, 1e-2F, 3e-2F,
    0.1F,  0.3F,  1,     3,     10,    30,    100,   300};

// Steps after which a step's weight in the average has fallen to 1/e.
inline constexpr double kErrorAverageSteps = 1000;

struct ErrorStatistics {
  size_t steps = 0;
  // Steps whose error is at most kErrorBounds[i] and above the bound before;
  // the last entry holds those above all bounds.
  std::array<double, kErrorBounds.size() + 1> buckets{};
  // Of the errors above 0, as a histogram's sum must never fall; those below,
  // as poisson's may be, are in the lowest bucket.
  double sum = 0;
  // Σ d^(n−1−i)·error_i with d = exp(−1/kErrorAverageSteps), n = steps.
  double decayed_sum = 0;
};

// errors: finite, one a step, in order.
ErrorStatistics Summarise(std::span<const float> errors);

// The exponential average over steps. Free of start-up bias: the first steps
// are averaged evenly, as in Adam's correction.
class ErrorAverage {
 public:
  // Returns the new average.
  double Add(const ErrorStatistics& errors);

 private:
  double weighted_sum_ = 0;
  double weight_ = 0;
};

}  // namespace backprop

#endif  // BACKPROP_SERVER_OPS_ERROR_STATISTICS_H_
