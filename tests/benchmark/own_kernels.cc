// SPDX-License-Identifier: Apache-2.0
#include "tests/benchmark/own_kernels.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "engine/kernels/blas.h"

namespace backprop::testing {

void LetOpenBlasChoose([[maybe_unused]] char** argv) {
#ifdef BACKPROP_OPENBLAS_CURRENT
  bool changed = false;
  for (const std::string name : {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}) {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) continue;
    setenv(("MACHINE_" + name).c_str(), value, 1);
    unsetenv(name.c_str());
    changed = true;
  }
  if (!changed) return;
  execv("/proc/self/exe", argv);
  std::perror("cannot start anew without OPENBLAS_CORETYPE: /proc/self/exe");
  std::exit(1);
#endif
}

std::string OpenBlasKernels() {
  return std::string(blas::Version()) + " " + std::string(blas::CoreName());
}

}  // namespace backprop::testing
