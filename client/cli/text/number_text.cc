// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/number_text.h"

#include <iterator>

#include "absl/strings/str_format.h"

namespace backprop::cli {

std::string Grouped(uint64_t number) {
  if (number < 1000) return std::to_string(number);
  return absl::StrFormat("%s,%03d", Grouped(number / 1000), number % 1000);
}

std::string ByteText(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  for (; bytes >= 999.95 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1000;
  return absl::StrFormat("%.*f %s", unit == 0 ? 0 : 1, bytes, kUnits[unit]);
}

std::string DigestText(uint64_t digest) {
  return absl::StrFormat("%016x", digest);
}

}  // namespace backprop::cli
