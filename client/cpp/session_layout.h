// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_
#define BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "engine/input.h"
#include "engine/layout.h"

namespace backprop {

// The layout that a session's answer describes, computed afresh from its
// layers' sizes and delta forms; every position in `message` must agree with
// it. The message is not trusted: INVALID_ARGUMENT names the first field that
// disagrees, RESOURCE_EXHAUSTED says that weights exceed max_weights.
absl::StatusOr<Layout> LayoutOf(const v1::SessionSpec& spec,
                                const v1::Layout& message, size_t max_weights);

// Fails on an element type that this client does not know, and on a scale that
// is not finite.
absl::StatusOr<InputFormat> InputFormatOf(const v1::SessionSpec& spec);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_
