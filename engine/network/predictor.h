// SPDX-License-Identifier: Apache-2.0
//
// The forward pass alone: outputs, and error and accuracy, of many samples.
#ifndef BACKPROP_ENGINE_NETWORK_PREDICTOR_H_
#define BACKPROP_ENGINE_NETWORK_PREDICTOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/contract/layout.h"
#include "engine/network/network.h"

namespace backprop {

// Sums over the samples before non_finite; over all where there is none.
struct Evaluation {
  uint64_t samples = 0;
  double error_sum = 0;        // of Error: what training sees
  double plain_error_sum = 0;  // of PlainError
  uint64_t correct = 0;        // as EvaluateResponse.accuracy counts
  // The first sample of which an output, or one of the errors, is NaN or
  // infinite. Neither it nor any after it is counted.
  std::optional<size_t> non_finite = std::nullopt;
};

// Scratch memory for forward passes, taken in panels of bounded size. Owned by
// one thread at a time.
class Predictor {
 public:
  // inputs: (n, input_size); weights: (weight_count);
  // outputs: (n, output_size), n = outputs.size() / output_size.
  void Predict(const NetworkSpec& network, const Layout& layout,
               std::span<const float> weights, std::span<const float> inputs,
               std::span<float> outputs);

  // targets: (n, output_size). Stops at a sample that has no finite error.
  Evaluation Evaluate(const NetworkSpec& network, const Layout& layout,
                      std::span<const float> weights,
                      std::span<const float> inputs,
                      std::span<const float> targets);

 private:
  // The last layer's numbers, row after row; valid until the next Forward.
  struct LastRows {
    std::span<const float> z;        // pre-activations
    std::span<const float> outputs;  // y
  };
  // inputs: whole rows, few enough for one panel.
  LastRows Forward(const NetworkSpec& network, const Layout& layout,
                   std::span<const float> weights,
                   std::span<const float> inputs);

  std::vector<float> z_;
  std::vector<float> a_[2];  // this layer's and the one's below
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_PREDICTOR_H_
