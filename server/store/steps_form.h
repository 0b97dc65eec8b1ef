// SPDX-License-Identifier: Apache-2.0
//
// What the bytes of a piece of steps mean, for who writes and who reads them
// (session_steps.h describes them).
#ifndef BACKPROP_SERVER_STORE_STEPS_FORM_H_
#define BACKPROP_SERVER_STORE_STEPS_FORM_H_

#include <cstdint>

namespace backprop {

inline constexpr uint8_t kStepsForm = 1;

// What a part's first byte adds up.
inline constexpr uint8_t kInputsAreValues = 1;
inline constexpr uint8_t kOneScalarRow = 2;

}  // namespace backprop

#endif  // BACKPROP_SERVER_STORE_STEPS_FORM_H_
