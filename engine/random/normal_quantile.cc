// SPDX-License-Identifier: Apache-2.0
#include "engine/random/normal_quantile.h"

#include <cmath>

namespace backprop {
namespace {

// c0 + c1·x + c2·x² + …, by Horner's rule.
constexpr double Horner(double, double c0) { return c0; }
template <class... Rest>
constexpr double Horner(double x, double c0, Rest... rest) {
  return Horner(x, rest...) * x + c0;
}

// Wichura 1988, Applied Statistics 37, algorithm AS 241, PPND16: its first two
// of three ranges; (n + ½)·2^-24 does not reach the third.
constexpr double kCentralRange = 0.425;

double Central(double q) {
  const double r = 0.180625 - q * q;
  const double numerator =
      Horner(r, 3.3871328727963666080e0, 1.3314166789178437745e2,
             1.9715909503065514427e3, 1.3731693765509461125e4,
             4.5921953931549871457e4, 6.7265770927008700853e4,
             3.3430575583588128105e4, 2.5090809287301226727e3);
  const double denominator = Horner(
      r, 1.0, 4.2313330701600911252e1, 6.8718700749205790830e2,
      5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4,
      2.8729085735721942674e4, 5.2264952788528545610e3);
  return q * numerator / denominator;
}

// ln x, x > 0 and normal: of a power of two, and of the rest m in [√½, √2) as
// 2·artanh((m − 1)/(m + 1)).
double Logarithm(double x) {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1;
  constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // exact
  if (m < kSqrtHalf) {
    m = 2 * m;
    exponent -= 1;
  }
  const double s = (m - 1) / (m + 1);
  const double series =
      Horner(s * s, 2.0, 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13,
             2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21);
  return exponent * kLn2 + s * series;
}

// p: the probability of what lies beyond, at most ½.
double Tail(double p) {
  const double r = std::sqrt(-Logarithm(p)) - 1.6;
  const double numerator =
      Horner(r, 1.42343711074968357734e0, 4.63033784615654529590e0,
             5.76949722146069140550e0, 3.64784832476320460504e0,
             1.27045825245236838258e0, 2.41780725177450611770e-1,
             2.27238449892691845833e-2, 7.74545014278341407640e-4);
  const double denominator =
      Horner(r, 1.0, 2.05319162663775882187e0, 1.67638483018380384940e0,
             6.89767334985100004550e-1, 1.48103976427480074590e-1,
             1.51986665636164571966e-2, 5.47593808499534494600e-4,
             1.05075007164441684324e-9);
  return numerator / denominator;
}

}  // namespace

double NormalQuantile(uint32_t n) {
  const double p = (n + 0.5) * 0x1p-24;  // exact
  const double q = p - 0.5;              // exact
  if (std::fabs(q) <= kCentralRange) return Central(q);
  return q < 0 ? -Tail(p) : Tail(1 - p);  // 1 − p is exact
}

}  // namespace backprop
