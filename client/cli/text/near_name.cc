// SPDX-License-Identifier: Apache-2.0
#include "client/cli/text/near_name.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace backprop::cli {
namespace {

// How many letters at most may be wrong.
constexpr size_t kMostSlips = 2;

// The optimal string alignment distance: row i has the slips from the first i
// letters of `a` to the first 0, 1, … of `b`.
size_t Slips(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + other});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = std::exchange(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string NearName(std::string_view word,
                     const std::vector<std::string>& names) {
  const auto letters = static_cast<size_t>(
      std::ranges::count_if(word, [](char letter) { return letter != '-'; }));
  size_t least = std::min(letters / 3, kMostSlips) + 1;
  std::string nearest;
  for (const std::string& name : names) {
    const size_t slips = Slips(word, name);
    if (slips < least) {
      least = slips;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace backprop::cli
