// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_ENGINE_INTERCHANGE_SIGNED_ZEROS_H_
#define BACKPROP_ENGINE_INTERCHANGE_SIGNED_ZEROS_H_

#include <string>
#include <string_view>

namespace backprop {

// The same JSON with -0.0 for the number -0: protobuf writes a negative zero
// so, but reads it as the integer 0, as Python does, and the sign would be
// lost.
std::string WithSignedZeros(std::string_view json);

}  // namespace backprop

#endif  // BACKPROP_ENGINE_INTERCHANGE_SIGNED_ZEROS_H_
