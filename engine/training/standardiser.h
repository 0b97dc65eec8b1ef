// SPDX-License-Identifier: Apache-2.0
//
// Learns each input column's mean and deviation from samples (Standardisation
// in proto/backprop/v1/network.proto); engine/contract/input.h applies them.
//
// A column that is nearly always the same, such as a pixel at an image's
// border, has a tiny deviation; divided by it, the one sample that differs
// becomes an input of hundreds or thousands and throws the weights away. So no
// deviation counts as less than a floor: one that is given, or a share of what
// the column ranges over.
#ifndef BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
#define BACKPROP_ENGINE_TRAINING_STANDARDISER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/contract/input.h"

namespace backprop {

// The floor is this share of a column's range, unless it is given: no input
// that keeps to the range lies further than 64 from its mean.
inline constexpr double kLeastShareOfRange = 1.0 / 64;

// All columns' floor in this format: min_deviation, unless it is 0; else the
// share of the range of bytes, at least 2^−60; else 0: each column's own.
double LeastDeviation(const InputFormat& format, float min_deviation);

// What has been seen of each column so far: Welford's running sums.
struct StandardiserSums {
  uint64_t samples = 0;
  std::vector<double> mean;    // (columns)
  std::vector<double> spread;  // Σ (x − mean)², (columns)
  // (columns); infinite, the least above the largest, before the first sample.
  std::vector<float> least = {};
  std::vector<float> largest = {};
};

// One session's; one thread at a time.
class Standardiser {
 public:
  // least_deviation: the floor; 0: each column's share of the range that it was
  // seen to have.
  explicit Standardiser(size_t columns, double least_deviation = 0);
  // Goes on from there. The vectors of sums are of one length; least and
  // largest may be empty where there are no samples.
  explicit Standardiser(StandardiserSums sums, double least_deviation = 0);

  // rows: (n, columns), row-major: scale · element, before standardisation.
  void Add(std::span<const float> rows);

  uint64_t samples() const { return sums_.samples; }
  const StandardiserSums& sums() const { return sums_; }

  // mean, factor: (columns). The factor is 1 where a column never varied by
  // more than rounding and there is no floor.
  // Requires samples() ≥ 1.
  void Finish(std::span<float> mean, std::span<float> factor) const;

 private:
  // What counts as column j's deviation; 0: none.
  double Deviation(size_t j) const;

  double least_deviation_;
  StandardiserSums sums_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
