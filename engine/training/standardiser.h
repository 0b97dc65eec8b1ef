// SPDX-License-Identifier: Apache-2.0
//
// Learns each input column's mean and deviation from samples (Standardisation
// in proto/backprop/v1/network.proto); engine/contract/input.h applies them.
#ifndef BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
#define BACKPROP_ENGINE_TRAINING_STANDARDISER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace backprop {

// One session's; one thread at a time.
class Standardiser {
 public:
  explicit Standardiser(size_t columns);

  // rows: (n, columns), row-major: scale · element, before standardisation.
  void Add(std::span<const float> rows);

  uint64_t samples() const { return samples_; }

  // mean, factor: (columns). The factor is 1 where a column never varied.
  // Requires samples() ≥ 1.
  void Finish(std::span<float> mean, std::span<float> factor) const;

 private:
  uint64_t samples_ = 0;
  std::vector<double> mean_;    // Welford's running mean, (columns)
  std::vector<double> spread_;  // Σ (x − mean)², (columns)
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_STANDARDISER_H_
