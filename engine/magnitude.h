// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_MAGNITUDE_H_
#define BACKPROP_ENGINE_MAGNITUDE_H_

#include <span>

namespace backprop {

// Largest |x|, 0 if there is none; NaN if any x is NaN.
float LargestMagnitude(std::span<const float> numbers);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_MAGNITUDE_H_
