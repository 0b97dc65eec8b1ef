// SPDX-License-Identifier: Apache-2.0
//
// Whether OpenBLAS computes rightly on this machine. It has kernels in assembly
// for each type of CPU, and builds that are older than a CPU, or chose the
// wrong type for it, have been reported to compute wrongly: a server would
// train nonsense and send exact deltas of it.
#ifndef BACKPROP_ENGINE_KERNELS_BLAS_CHECK_H_
#define BACKPROP_ENGINE_KERNELS_BLAS_CHECK_H_

#include "absl/status/status.h"

namespace backprop {

// Multiplies matrices of awkward shapes in every way that the engine does, and
// compares each number with plain loops. INTERNAL names OpenBLAS, its kernels
// and the product that is wrong, and says what to try. Takes some milliseconds.
// Any thread.
absl::Status CheckBlas();

}  // namespace backprop

#endif  // BACKPROP_ENGINE_KERNELS_BLAS_CHECK_H_
