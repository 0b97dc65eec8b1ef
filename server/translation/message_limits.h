// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_SERVER_TRANSLATION_MESSAGE_LIMITS_H_
#define BACKPROP_SERVER_TRANSLATION_MESSAGE_LIMITS_H_

#include <cstddef>

namespace backprop {

// Float32 numbers that one message can hold: protobuf's messages end at 2 GiB;
// some room for what is not numbers.
inline constexpr size_t kMostNumbersInMessage =
    ((size_t{1} << 31) - (1u << 20)) / 4;

}  // namespace backprop

#endif  // BACKPROP_SERVER_TRANSLATION_MESSAGE_LIMITS_H_
