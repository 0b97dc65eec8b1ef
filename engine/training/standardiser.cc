// SPDX-License-Identifier: Apache-2.0
#include "engine/training/standardiser.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace backprop {
namespace {

constexpr double kLargestByte = 255;

// A deviation of no more than half a float32's last place of the mean is how
// equal numbers differ after different roundings.
constexpr double kRounding = 0x1p-24;
// Smaller inputs are 0 to the network (InputFormat). Its reciprocal, and so
// every factor, is finite.
constexpr double kSmallestDeviation = 0x1p-60;

}  // namespace

double LeastDeviation(const InputFormat& format, float min_deviation) {
  if (min_deviation != 0) return min_deviation;
  if (format.element_type != ElementType::kUint8) return 0;
  return std::max(kSmallestDeviation, kLeastShareOfRange * kLargestByte *
                                          std::fabs(double{format.scale}));
}

Standardiser::Standardiser(size_t columns, double least_deviation)
    : Standardiser(StandardiserSums{.samples = 0,
                                    .mean = std::vector<double>(columns),
                                    .spread = std::vector<double>(columns)},
                   least_deviation) {}

Standardiser::Standardiser(StandardiserSums sums, double least_deviation)
    : least_deviation_(least_deviation), sums_(std::move(sums)) {
  if (sums_.samples != 0) return;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  sums_.least.assign(sums_.mean.size(), kInfinity);
  sums_.largest.assign(sums_.mean.size(), -kInfinity);
}

// Welford 1962, Technometrics 4: no squares of large numbers cancel.
void Standardiser::Add(std::span<const float> rows) {
  const size_t columns = sums_.mean.size();
  double* mean = sums_.mean.data();
  double* spread = sums_.spread.data();
  float* least = sums_.least.data();
  float* largest = sums_.largest.data();
  for (; rows.size() >= columns; rows = rows.subspan(columns)) {
    ++sums_.samples;
    const double share = 1 / static_cast<double>(sums_.samples);
    const float* row = rows.data();
    for (size_t j = 0; j < columns; ++j) {
      const double before = double{row[j]} - mean[j];
      mean[j] += before * share;
      spread[j] += before * (double{row[j]} - mean[j]);
      least[j] = std::min(least[j], row[j]);
      largest[j] = std::max(largest[j], row[j]);
    }
  }
}

double Standardiser::Deviation(size_t j) const {
  const double deviation =
      std::sqrt(sums_.spread[j] / static_cast<double>(sums_.samples));
  const bool varied = deviation > kRounding * std::fabs(sums_.mean[j]) &&
                      deviation > kSmallestDeviation;
  if (least_deviation_ > 0) {
    return varied ? std::max(deviation, least_deviation_) : least_deviation_;
  }
  if (!varied) return 0;
  const double range = double{sums_.largest[j]} - double{sums_.least[j]};
  return std::max(deviation, kLeastShareOfRange * range);
}

void Standardiser::Finish(std::span<float> mean,
                          std::span<float> factor) const {
  for (size_t j = 0; j < mean.size(); ++j) {
    mean[j] = static_cast<float>(sums_.mean[j]);
    const double deviation = Deviation(j);
    factor[j] = deviation == 0 ? 1.0F : static_cast<float>(1 / deviation);
  }
}

}  // namespace backprop
