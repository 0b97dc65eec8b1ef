// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/time_text.h"

#include <array>
#include <ctime>

namespace backprop::cli {

std::string TimeText(int64_t seconds, const char* format) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  std::array<char, 64> text{};
  if (gmtime_r(&time, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), format, &parts) == 0) {
    return "?";
  }
  return text.data();
}

}  // namespace backprop::cli
