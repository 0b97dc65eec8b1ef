// SPDX-License-Identifier: Apache-2.0
#include "engine/training/standardiser.h"

#include <cmath>

namespace backprop {
namespace {

// Keeps the reciprocal of a tiny deviation finite (Standardisation's 1e−12).
constexpr double kLeastVariance = 1e-12;

}  // namespace

Standardiser::Standardiser(size_t columns)
    : sums_{.samples = 0,
            .mean = std::vector<double>(columns),
            .spread = std::vector<double>(columns)} {}

// Welford 1962, Technometrics 4: no squares of large numbers cancel.
void Standardiser::Add(std::span<const float> rows) {
  const size_t columns = sums_.mean.size();
  double* mean = sums_.mean.data();
  double* spread = sums_.spread.data();
  for (; rows.size() >= columns; rows = rows.subspan(columns)) {
    ++sums_.samples;
    const double share = 1 / static_cast<double>(sums_.samples);
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
  const auto samples = static_cast<double>(sums_.samples);
  for (size_t j = 0; j < mean.size(); ++j) {
    mean[j] = static_cast<float>(sums_.mean[j]);
    const double variance = sums_.spread[j] / samples;
    factor[j] =
        sums_.spread[j] == 0
            ? 1.0F
            : static_cast<float>(1 / std::sqrt(variance + kLeastVariance));
  }
}

}  // namespace backprop
