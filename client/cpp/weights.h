// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CPP_WEIGHTS_H_
#define BACKPROP_CLIENT_CPP_WEIGHTS_H_

#include <cstdint>
#include <vector>

namespace backprop {

// An anchor: all weights of a session as they were after one step, and what
// else a replica goes on from.
struct Weights {
  uint64_t step = 0;
  uint64_t next_offset = 0;        // offset of the next sample at that step
  uint64_t digest = 0;             // of `values`, checked when downloaded
  std::vector<float> values = {};  // (weight_count), layout order
  // The optimiser's, (state_count, weight_count); empty if it was not asked
  // for.
  std::vector<float> state = {};
  // Input standardisation, (input_size) each; empty if the session has none or
  // has not learnt it yet.
  std::vector<float> mean = {};
  std::vector<float> factor = {};
};

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_WEIGHTS_H_
