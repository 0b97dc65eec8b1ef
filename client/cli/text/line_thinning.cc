// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/line_thinning.h"

#include <algorithm>
#include <cmath>

namespace backprop::cli {
namespace {

constexpr uint64_t kLines = 50;

// Into which of kLines parts, equally long on a logarithmic scale from 1 to
// most, a line falls.
uint64_t PartOf(uint64_t number, uint64_t most) {
  return static_cast<uint64_t>(static_cast<double>(kLines - 1) *
                               std::log(static_cast<double>(number)) /
                               std::log(static_cast<double>(most)));
}

// 1, 2, 5, 10, 20, 50 …
bool IsRound(uint64_t number) {
  while (number % 10 == 0) number /= 10;
  return number == 1 || number == 2 || number == 5;
}

}  // namespace

LineThinning::LineThinning(uint64_t most, Spread spread)
    : most_(std::max<uint64_t>(1, most)), spread_(spread) {}

bool LineThinning::Tells(uint64_t number) const {
  if (number <= 1 || number >= most_ || most_ <= kLines) return true;
  const uint64_t step = (most_ + kLines - 1) / kLines;
  if (spread_ == Spread::kEven) {
    return number % step == 0 || (number < step && IsRound(number));
  }
  return PartOf(number, most_) != PartOf(number - 1, most_);
}

}  // namespace backprop::cli
