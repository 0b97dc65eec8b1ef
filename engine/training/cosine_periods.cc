// SPDX-License-Identifier: Apache-2.0
#include "engine/training/cosine_periods.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace backprop {

uint64_t NextPeriod(uint64_t length, double factor) {
  const double next = std::round(static_cast<double>(length) * factor);
  return next < 0x1p63 ? std::max<uint64_t>(1, static_cast<uint64_t>(next))
                       : std::numeric_limits<uint64_t>::max();
}

bool IsBeyondMostPeriods(uint64_t age, uint64_t length, double factor) {
  for (uint64_t n = 0; n < kMostPeriods; ++n) {
    if (age < length) return false;
    age -= length;
    const uint64_t next = NextPeriod(length, factor);
    if (next == length) return false;
    length = next;
  }
  return true;
}

}  // namespace backprop
