// SPDX-License-Identifier: Apache-2.0
//
// An OpenBLAS that computes wrongly. Loaded before the real one (LD_PRELOAD),
// it passes each call on and then spoils the result, where FAULTY_BLAS says so:
//
//   NT-any    the last number of each sgemm with A as it is and B transposed
//   N-long    the same of each sgemv, not transposed, of more than 1000 terms
//   T-wide    the same of each sgemv, transposed, of more than 800 numbers
//   NN-gap    what lies behind the first row
//   TN-beta   with beta 0 the first number hangs on what lay there
#include <cblas.h>
#include <dlfcn.h>

#include <cstdlib>
#include <string_view>

namespace {

#define NAME_OF(function) TEXT_OF(function)  // expanded first: it has a prefix
#define TEXT_OF(text) #text

std::string_view Planted() {
  const char* const planted = std::getenv("FAULTY_BLAS");
  return planted == nullptr ? "" : planted;
}

// A result of one call: rows of numbers, `stride` from one to the next.
struct Result {
  std::string_view call;  // "NT"
  int rows;
  int cols;
  int terms;
  int stride;
  float beta;
  float* numbers;
  float first_before;
};

void Spoil(const Result& of) {
  const std::string_view planted = Planted();
  const size_t dash = planted.find('-');
  if (dash == std::string_view::npos) return;  // none
  if (planted.substr(0, dash) != of.call) return;
  const std::string_view kind = planted.substr(dash + 1);
  float* const end = of.numbers + (of.rows - 1) * of.stride + of.cols;
  if (kind == "any" || (kind == "long" && of.terms > 1000) ||
      (kind == "wide" && of.cols > 800)) {
    end[-1] += 1;
  }
  if (kind == "gap" && of.rows > 1) of.numbers[of.cols] = 0;
  if (kind == "beta" && of.beta == 0) of.numbers[0] += 0 * of.first_before;
}

template <class Function>
Function* Next(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void cblas_sgemm(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a,
                 CBLAS_TRANSPOSE trans_b, blasint m, blasint n, blasint k,
                 float alpha, const float* a, blasint a_stride, const float* b,
                 blasint b_stride, float beta, float* c, blasint c_stride) {
  const float before = c[0];
  static const auto real = Next(&cblas_sgemm, NAME_OF(cblas_sgemm));
  real(order, trans_a, trans_b, m, n, k, alpha, a, a_stride, b, b_stride, beta,
       c, c_stride);
  const char call[] = {trans_a == CblasTrans ? 'T' : 'N',
                       trans_b == CblasTrans ? 'T' : 'N'};
  Spoil({{call, 2}, m, n, k, c_stride, beta, c, before});
}

void cblas_sgemv(CBLAS_ORDER order, CBLAS_TRANSPOSE trans, blasint rows,
                 blasint cols, float alpha, const float* a, blasint a_stride,
                 const float* x, blasint x_step, float beta, float* y,
                 blasint y_step) {
  const float before = y[0];
  static const auto real = Next(&cblas_sgemv, NAME_OF(cblas_sgemv));
  real(order, trans, rows, cols, alpha, a, a_stride, x, x_step, beta, y,
       y_step);
  const bool turned = trans == CblasTrans;
  Spoil({turned ? "T" : "N", 1, turned ? cols : rows, turned ? rows : cols, 0,
         beta, y, before});
}

}  // extern "C"
