// SPDX-License-Identifier: Apache-2.0
//
// A sample's error and how it moves with the last layer's pre-activations
// (Loss in proto/backprop/v1/network.proto).
//
// Errors are computed in double, signals in float. A term whose target is 0
// counts as 0 even where its logarithm is infinite.
#ifndef BACKPROP_ENGINE_NETWORK_LOSS_H_
#define BACKPROP_ENGINE_NETWORK_LOSS_H_

#include <span>

#include "engine/network/network.h"

namespace backprop {

// One sample at the last layer. All: (outputs).
struct LastLayer {
  std::span<const float> z;        // pre-activations; logits
  std::span<const float> outputs;  // y = f(z)
  std::span<const float> targets;  // d
};

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
