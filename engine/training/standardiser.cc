// SPDX-License-Identifier: Apache-2.0
#include "engine/training/standardiser.h"

#include <cmath>

namespace backprop {
namespace {

// Keeps the reciprocal of a tiny deviation finite (Standardisation's 1e−12).
constexpr double kLeastVariance = 1e-12;

}  // namespace

Standardiser::Standardiser(size_t columns) : mean_(columns), spread_(columns) {}

// Welford 1962, Technometrics 4: no squares of large numbers cancel.
void Standardiser::Add(std::span<const float> rows) {
  const size_t columns = mean_.size();
  double* mean = mean_.data();
  double* spread = spread_.data();
  for (; rows.size() >= columns; rows = rows.subspan(columns)) {
    ++samples_;
    const double share = 1 / static_cast<double>(samples_);
    const float* row = rows.data();
    for (size_t j = 0; j < columns; ++j) {
      const double before = double{row[j]} - mean[j];
      mean[j] += before * share;
      spread[j] += before * (double{row[j]} - mean[j]);
    }
  }
}

void Standardiser::Finish(std::span<float> mean,
                          std::span<float> factor) const {
  const auto samples = static_cast<double>(samples_);
  for (size_t j = 0; j < mean.size(); ++j) {
    mean[j] = static_cast<float>(mean_[j]);
    const double variance = spread_[j] / samples;
    factor[j] =
        spread_[j] == 0
            ? 1.0F
            : static_cast<float>(1 / std::sqrt(variance + kLeastVariance));
  }
}

}  // namespace backprop
