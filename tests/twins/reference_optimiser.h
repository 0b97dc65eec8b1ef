// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_TWINS_REFERENCE_OPTIMISER_H_
#define BACKPROP_TESTS_TWINS_REFERENCE_OPTIMISER_H_

#include "backprop/v1/network.pb.h"

namespace backprop::testing {

// Rounds to float32 whatever the compiler would like to keep or fuse.
inline float Fl(float value) {
  volatile float rounded = value;
  return rounded;
}

// One weight and what its optimiser knows of it.
struct ReferenceWeight {
  float w = 0;
  float m = 0;
  float v = 0;
};

// delta.proto (7), read line by line: D of one weight from its gradient g, its
// state moved on. optimiser: says which formulas. scalars: the step's row.
float ReferenceDelta(const v1::Optimiser& optimiser, const float* scalars,
                     float g, ReferenceWeight* weight);

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_TWINS_REFERENCE_OPTIMISER_H_
