// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/out_of_memory.h"

namespace backprop {

absl::Status OutOfMemory() {
  return absl::ResourceExhaustedError(
      "the server is out of memory: try again with backoff");
}

}  // namespace backprop
