// SPDX-License-Identifier: Apache-2.0
//
// A sample's error and how it moves with the last layer's pre-activations
// (Loss in proto/backprop/v1/network.proto).
//
// Errors are computed in double, signals in float. A term whose target is 0
// counts as 0 even where its logarithm is infinite.
#ifndef BACKPROP_ENGINE_NETWORK_LOSS_H_
#define BACKPROP_ENGINE_NETWORK_LOSS_H_

#include <limits>
#include <optional>
#include <span>

#include "engine/network/network.h"

namespace backprop {

// One sample at the last layer. All: (outputs).
struct LastLayer {
  std::span<const float> z;        // pre-activations; logits
  std::span<const float> outputs;  // y = f(z)
  std::span<const float> targets;  // d
};

// What there is to know of a loss beside its formula.
struct LossTraits {
  const char* name;  // as the protocol has it: "HUBER"
  // With which it is fused, outputs then being probabilities; or identity,
  // outputs then being logits. nullopt: any but softmax.
  std::optional<Activation> fused_with = std::nullopt;
  bool has_class_weights = false;
  // The least and largest number that a target may be, and the rule in words,
  // "in [0, 1]"; null: any finite number.
  float least_target = -std::numeric_limits<float>::max();
  float largest_target = std::numeric_limits<float>::max();
  const char* target_rule = nullptr;
};

const LossTraits& TraitsOf(Loss loss);

// E, the session's loss: with label smoothing and class weights. What a step
// reports (ErrorAndSignal returns it) and what evaluation does. network: says
// which loss and which activation.
double Error(const NetworkSpec& network, const LastLayer& sample);

// E without label smoothing and class weights, which evaluation reports beside
// it: what can be compared between sessions that differ in them.
double PlainError(const NetworkSpec& network, const LastLayer& sample);

// Error's E, and signal = δ = ∂E/∂z, (outputs), both of a sample that counts
// `weight` times. signal may not overlap the sample's numbers.
double ErrorAndSignal(const NetworkSpec& network, const LastLayer& sample,
                      std::span<float> signal, float weight = 1);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_NETWORK_LOSS_H_
