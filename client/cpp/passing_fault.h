// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CPP_PASSING_FAULT_H_
#define BACKPROP_CLIENT_CPP_PASSING_FAULT_H_

#include "absl/status/status.h"

namespace backprop {

// Whether a call that ended so may succeed soon: its connection broke, its
// server or what stands before it is away, full or just starting, or the server
// takes a stream that is gone for the session's writer still. CANCELLED may
// pass too, since a server that goes away cancels its calls: a caller who
// cancelled knows that himself.
bool MayPass(const absl::Status& status);

}  // namespace backprop

#endif  // BACKPROP_CLIENT_CPP_PASSING_FAULT_H_
