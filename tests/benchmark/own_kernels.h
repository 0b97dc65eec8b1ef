// SPDX-License-Identifier: Apache-2.0
//
// Which kernels OpenBLAS computes with: a figure means nothing without them.
#ifndef BACKPROP_TESTS_BENCHMARK_OWN_KERNELS_H_
#define BACKPROP_TESTS_BENCHMARK_OWN_KERNELS_H_

#include <string>

namespace backprop::testing {

// To be called first in main of what computes with OpenBLAS. Some machines have
// OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE set for the sake of an old OpenBLAS. A
// current one chooses better by itself, and reads them before main: this starts
// the program anew without them. They go on as MACHINE_OPENBLAS_CORETYPE and so
// on, for a peer with an OpenBLAS of its own (pytorch_service.py). With an old
// one it does nothing.
void LetOpenBlasChoose(char** argv);

// "OpenBLAS 0.3.34 SkylakeX": version and kernels of this process.
std::string OpenBlasKernels();

}  // namespace backprop::testing

#endif  // BACKPROP_TESTS_BENCHMARK_OWN_KERNELS_H_
