// SPDX-License-Identifier: Apache-2.0
//
// What a network is: its layers, their activations and its loss.
#ifndef BACKPROP_ENGINE_NETWORK_H_
#define BACKPROP_ENGINE_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace backprop {

enum class Activation : uint8_t { kIdentity, kSigmoid, kTanh, kRelu, kSoftmax };

enum class Loss : uint8_t {
  kHalfSquaredError,  // ½·Σ(d − y)²
  kCrossEntropy,      // −Σ d·ln softmax(z), z the last layer's logits
};

struct LayerSpec {
  size_t size = 0;  // outputs; at least 1
  Activation activation = Activation::kIdentity;
};

struct NetworkSpec {
  size_t input_size = 0;          // at least 1
  std::vector<LayerSpec> layers;  // first hidden layer … output; at least 1
  Loss loss = Loss::kHalfSquaredError;

  size_t output_size() const { return layers.back().size; }
};

// What is wrong with one field of a spec, and what to do about it.
struct FieldViolation {
  std::string field;  // e.g. "layers[1].size"
  std::string description;
};

// All violations, empty if the network can be built. Softmax must stand in the
// last layer under cross-entropy; cross-entropy needs softmax or identity
// there.
std::vector<FieldViolation> Validate(const NetworkSpec& network);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_H_
