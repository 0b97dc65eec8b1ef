// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/settings_text.h"

#include <algorithm>

#include "absl/strings/str_split.h"
#include "client/cli/text/table.h"
#include "client/cli/text/wrapped.h"

namespace backprop::cli {

std::string SettingsText(
    const std::vector<std::pair<std::string, std::string>>& settings) {
  constexpr size_t kColumns = 80;
  size_t labels = 0;
  for (const auto& [label, value] : settings) {
    labels = std::max(labels, label.size());
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [label, value] : settings) {
    const std::vector<std::string> lines =
        absl::StrSplit(Wrapped(value, kColumns - labels - 2), '\n');
    for (const std::string& line : lines) {
      rows.push_back({&line == &lines.front() ? label : "", line});
    }
  }
  return TableText({{""}, {""}}, rows);
}

}  // namespace backprop::cli
