// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_
#define BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backprop/v1/network.pb.h"
#include "engine/contract/delta.h"
#include "engine/contract/input.h"
#include "engine/contract/layout.h"

namespace backprop {

// The layout that a session's answer describes, computed afresh from the spec's
// sizes, from its layers' delta forms and from its rule; every position and
// count in `message`, and its factor kind, must agree with it. The message is
// not trusted: INVALID_ARGUMENT names the first field that disagrees, or a form
// or rule that this client does not know; RESOURCE_EXHAUSTED says that weights
// exceed max_weights. proto/testdata/layouts.txt has what every client refuses.
absl::StatusOr<Layout> LayoutOf(const v1::SessionSpec& spec,
                                const v1::Layout& message, size_t max_weights);

// Fails on an element type that this client does not know, and on a scale that
// is not finite. Standardisation is there if the spec has its numbers.
absl::StatusOr<InputFormat> InputFormatOf(const v1::SessionSpec& spec);

// Puts mean and factor, one number each for input_size columns, into the
// format. INVALID_ARGUMENT: they are not that many, or not finite; the format
// is then as it was.
absl::Status SetStandardisation(std::span<const float> mean,
                                std::span<const float> factor,
                                size_t input_size, InputFormat* format);
absl::Status SetStandardisation(const v1::Standardisation& message,
                                size_t input_size, InputFormat* format);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_SESSION_LAYOUT_H_
