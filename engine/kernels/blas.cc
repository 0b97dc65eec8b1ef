// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/blas.h"

#include <cblas.h>

namespace backprop::blas {
namespace {

// Several threads calling a multi-threaded OpenBLAS would fight over its pool.
const bool single_threaded = [] {
  openblas_set_num_threads(1);
  return true;
}();

CBLAS_TRANSPOSE Transposition(Op op) {
  return op == Op::kTransposed ? CblasTrans : CblasNoTrans;
}

int Int(size_t size) { return static_cast<int>(size); }

}  // namespace

void MultiplyVector(Operand a, size_t rows, size_t cols, const float* x,
                    float beta, float* y) {
  cblas_sgemv(CblasRowMajor, Transposition(a.op), Int(rows), Int(cols), 1.0F,
              a.data, Int(a.stride), x, 1, beta, y, 1);
}

void Multiply(size_t m, size_t n, size_t k, float alpha, Operand a, Operand b,
              float beta, float* c, size_t c_stride) {
  cblas_sgemm(CblasRowMajor, Transposition(a.op), Transposition(b.op), Int(m),
              Int(n), Int(k), alpha, a.data, Int(a.stride), b.data,
              Int(b.stride), beta, c, Int(c_stride));
}

std::string_view Config() { return openblas_get_config(); }

std::string_view Version() {
  const std::string_view config = Config();
  return config.substr(0, config.find(' ', config.find(' ') + 1));
}

std::string_view CoreName() { return openblas_get_corename(); }

bool TakesSmallAsTheyLie() {
  static const bool takes = [] {
    const std::string_view core = CoreName();
    return core == "SkylakeX" || core == "Cooperlake" ||
           core == "SapphireRapids";
  }();
  return takes;
}

}  // namespace backprop::blas
