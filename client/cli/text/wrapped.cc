// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/wrapped.h"

#include <vector>

#include "absl/strings/str_split.h"

namespace backprop::cli {

std::string Wrapped(const std::string& text, size_t width) {
  std::string wrapped;
  size_t column = 0;
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  for (const std::string& word : words) {
    if (!wrapped.empty()) {
      const bool fits = column + 1 + word.size() <= width;
      wrapped += fits ? ' ' : '\n';
      column = fits ? column + 1 : 0;
    }
    wrapped += word;
    column += word.size();
  }
  return wrapped;
}

}  // namespace backprop::cli
