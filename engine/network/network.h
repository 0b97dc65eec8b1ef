// SPDX-License-Identifier: Apache-2.0
//
// What a network is: its layers, their activations and its loss.
#ifndef BACKPROP_ENGINE_NETWORK_NETWORK_H_
#define BACKPROP_ENGINE_NETWORK_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/contract/field_violation.h"

namespace backprop {

enum class Activation : uint8_t {
  kIdentity,
  kSigmoid,
  kTanh,
  kRelu,
  kSoftmax,
  kLeakyRelu,
  kElu,
  kGelu,
  kSoftplus,
};

enum class Loss : uint8_t {
  kHalfSquaredError,   // ½·Σ(d − y)²
  kCrossEntropy,       // −Σ c·t·ln softmax(z), z the last layer's logits
  kMeanSquaredError,   // (1/n)·Σ(d − y)²
  kMeanAbsoluteError,  // (1/n)·Σ|d − y|
  kHuber,              // (1/n)·Σ h(d − y)
  kBinaryCrossEntropy,  // −(1/n)·Σ c·(d·ln σ(z) + (1 − d)·ln(1 − σ(z)))
  kPoisson,             // (1/n)·Σ(e^y − d·y)
};

struct LayerSpec {
  size_t size = 0;  // outputs; at least 1
  Activation activation = Activation::kIdentity;
  // c of kLeakyRelu (0.01) and kElu (1); not read for others.
  float negative_scale = 0;
  // Share of the outputs that a training step drops, 0 ≤ p < 1; 0 in the last
  // layer.
  float dropout = 0;
};

struct NetworkSpec {
  size_t input_size = 0;          // at least 1
  std::vector<LayerSpec> layers;  // first hidden layer … output; at least 1
  Loss loss = Loss::kHalfSquaredError;
  float label_smoothing = 0;              // ε of kCrossEntropy
  std::vector<float> class_weights = {};  // c: empty (all 1) or one an output
  float huber_delta = 1;                  // δ of kHuber

  size_t output_size() const { return layers.back().size; }
};

// All violations, empty if the network can be built. Softmax must stand in the
// last layer under cross-entropy; cross-entropy needs softmax or identity
// there, binary cross-entropy sigmoid or identity. Settings that only one kind
// of loss reads are refused with others (label_smoothing, class_weights), those
// with a default other than 0 ignored (huber_delta, negative_scale).
std::vector<FieldViolation> Validate(const NetworkSpec& network);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_NETWORK_H_
