// SPDX-License-Identifier: Apache-2.0
//
// Learns each input column's mean and deviation from samples (Standardisation
// in proto/backprop/v1/network.proto); engine/contract/input.h applies them.
#ifndef BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
#define BACKPROP_ENGINE_TRAINING_STANDARDISER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace backprop {

// What has been seen of each column so far: Welford's running sums.
struct StandardiserSums {
  uint64_t samples = 0;
  std::vector<double> mean;    // (columns)
  std::vector<double> spread;  // Σ (x − mean)², (columns)
};

// One session's; one thread at a time.
class Standardiser {
 public:
  explicit Standardiser(size_t columns);
  // Goes on from there. sums.mean and sums.spread are of one length.
  explicit Standardiser(StandardiserSums sums) : sums_(std::move(sums)) {}

  // rows: (n, columns), row-major: scale · element, before standardisation.
  void Add(std::span<const float> rows);

  uint64_t samples() const { return sums_.samples; }
  const StandardiserSums& sums() const { return sums_; }

  // mean, factor: (columns). The factor is 1 where a column never varied.
  // Requires samples() ≥ 1.
  void Finish(std::span<float> mean, std::span<float> factor) const;

 private:
  StandardiserSums sums_;
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
