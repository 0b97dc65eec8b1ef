// SPDX-License-Identifier: Apache-2.0
#include "server/ops/error_statistics.h"

#include <algorithm>
#include <cmath>

namespace backprop {

ErrorStatistics Summarise(std::span<const float> errors) {
  static const double decay = std::exp(-1 / kErrorAverageSteps);
  ErrorStatistics statistics{.steps = errors.size()};
  std::array<uint32_t, kErrorBounds.size() + 1> counts{};
  double sum = 0;
  double decayed_sum = 0;
  for (const float error : errors) {
    // Counting all bounds below takes four vector compares and no branch.
    int32_t bucket = 0;
    for (const float bound : kErrorBounds) bucket += error > bound ? 1 : 0;
    ++counts[static_cast<size_t>(bucket)];
    sum += std::max(error, 0.0F);
    decayed_sum = decayed_sum * decay + error;
  }
  for (size_t i = 0; i < counts.size(); ++i) statistics.buckets[i] = counts[i];
  statistics.sum = sum;
  statistics.decayed_sum = decayed_sum;
  return statistics;
}

double ErrorAverage::Add(const ErrorStatistics& errors) {
  const double kept =
      std::exp(-static_cast<double>(errors.steps) / kErrorAverageSteps);
  const double one_step = -std::expm1(-1 / kErrorAverageSteps);
  weighted_sum_ = weighted_sum_ * kept + one_step * errors.decayed_sum;
  weight_ = weight_ * kept + (1 - kept);
  return weighted_sum_ / weight_;
}

}  // namespace backprop
