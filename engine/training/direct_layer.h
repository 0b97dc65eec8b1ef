// SPDX-License-Identifier: Apache-2.0
//
// One of the direct layers (direct_layers.h) as its kernels see it: a copy of
// its weights and room for one sample's numbers, all of which begin at a cache
// line and are padded with zeros to whole lines, and so to whole vectors.
#ifndef BACKPROP_ENGINE_TRAINING_DIRECT_LAYER_H_
#define BACKPROP_ENGINE_TRAINING_DIRECT_LAYER_H_

#include <cstddef>

#include "engine/network/network.h"

namespace backprop {

// A view: DirectLayers owns the memory.
struct DirectLayer {
  const LayerSpec* spec;
  size_t inputs;
  size_t outputs;
  size_t stride;   // numbers from row to row of w
  float* w;        // (outputs rounded up to 4, stride)
  float* bias;     // (outputs rounded up to kLine), as all that follow
  float* z;        // pre-activations
  float* signal;   // ∂E/∂z
  float* u;        // factor
  const float* a;  // (stride): what the layer sees
  float* next;     // f(z)
};

}  // namespace backprop

#endif  // BACKPROP_ENGINE_TRAINING_DIRECT_LAYER_H_
