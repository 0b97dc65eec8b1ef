// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_TESTS_SERVER_SPEC_TEXT_H_
#define BACKPROP_TESTS_SERVER_SPEC_TEXT_H_

#include <string>

#include "backprop/v1/network.pb.h"

namespace backprop::testing {

// The spec with what a text says, in protobuf's text format, such as
// "batch_size: 3 layers {} layers {dropout: 0.5}". The text's n-th layer is
// merged into the spec's n-th, so that fields of a layer can be set but not
// cleared; its other repeated fields are appended. Adds a failure to the test
// if the text cannot be parsed.
v1::SessionSpec With(v1::SessionSpec spec, const std::string& text);

// What With makes of a spec whose inputs are bytes that mean 0 to 1.
inline constexpr char kScaledBytes[] =
    "input {element_type: ELEMENT_TYPE_UINT8 scale: 0.00392156886}";

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_SERVER_SPEC_TEXT_H_
