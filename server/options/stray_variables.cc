// SPDX-License-Identifier: Apache-2.0
#include "server/options/stray_variables.h"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace backprop {
namespace {

constexpr std::string_view kPrefix = "BACKPROPD_";

// Further apart than a third of its letters, one name doesn't resemble another.
constexpr size_t kLettersAnEdit = 3;

// Letters to insert, drop or replace (Levenshtein 1966).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);  // of the prefix of a so far
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string Nearest(const std::string& name,
                    std::span<const std::string> known) {
  const std::string upper = absl::AsciiStrToUpper(name);
  size_t least = (name.size() - kPrefix.size()) / kLettersAnEdit + 1;
  std::string nearest;
  for (const std::string& each : known) {
    const size_t distance = Distance(upper, each);
    if (distance >= least) continue;
    least = distance;
    nearest = each;
  }
  return nearest;
}

// What comes from a service's name, not from an operator.
bool IsServiceLink(std::string_view name) {
  const std::string_view rest = name.substr(kPrefix.size());
  return rest == "PORT" || rest == "NAME" || rest.starts_with("PORT_") ||
         rest.starts_with("SERVICE_HOST") || rest.starts_with("SERVICE_PORT") ||
         rest.starts_with("ENV_");
}

}  // namespace

std::vector<StrayVariable> StrayVariables(const char* const* environment,
                                          std::span<const std::string> known) {
  std::vector<StrayVariable> strays;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const size_t end = entry.find('=');
    if (end == entry.npos || end + 1 == entry.size()) continue;
    const std::string name(entry.substr(0, end));
    if (!absl::StartsWithIgnoreCase(name, {kPrefix.data(), kPrefix.size()}) ||
        IsServiceLink(name) || std::ranges::find(known, name) != known.end()) {
      continue;
    }
    strays.push_back({name, Nearest(name, known)});
  }
  std::ranges::sort(strays, {}, &StrayVariable::name);
  return strays;
}

}  // namespace backprop
