// SPDX-License-Identifier: Apache-2.0
//
// The one place where memory that could not be had becomes a status: what a
// call does, it does in here, wherever the exception would otherwise leave a
// thread or a reaction.
//
//   absl::Status status = CatchOutOfMemory([&] { return TakeMessage(); });
#ifndef BACKPROP_SERVER_SESSIONS_OUT_OF_MEMORY_H_
#define BACKPROP_SERVER_SESSIONS_OUT_OF_MEMORY_H_

#include <new>
#include <type_traits>

#include "absl/status/status.h"

namespace backprop {

// What a call ends with whose memory could not be had.
absl::Status OutOfMemory();

// What work() returns, OutOfMemory() if it throws bad_alloc. work returns
// whatever a status converts to (StatusOr, an optional of either), or nothing,
// which is OK. What it did before it threw stays done.
template <typename Work>
auto CatchOutOfMemory(Work&& work) {
  using Result = std::invoke_result_t<Work>;
  using Returned =
      std::conditional_t<std::is_void_v<Result>, absl::Status, Result>;
  try {
    if constexpr (std::is_void_v<Result>) {
      work();
      return Returned();
    } else {
      return Returned(work());
    }
  } catch (const std::bad_alloc&) {
    return Returned(OutOfMemory());
  }
}

}  // namespace backprop

#endif  // BACKPROP_SERVER_SESSIONS_OUT_OF_MEMORY_H_
