// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_way.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/text/number_text.h"

namespace backprop::cli {

std::vector<BenchWay> BenchWays(size_t batch_size) {
  std::vector<BenchWay> ways = {
      {.samples_per_message = 1, .ahead = false},
      {.samples_per_message = 1},
      {.samples_per_message = 32},
      {.samples_per_message = 256},
      {.samples_per_message = 32, .deltas = false},
      {.samples_per_message = 256, .deltas = false},
  };
  for (BenchWay& way : ways) {
    const size_t steps =
        (way.samples_per_message + batch_size - 1) / batch_size;
    way.samples_per_message = steps * batch_size;
  }
  // Where a step takes many samples, neighbours have become the same.
  ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
  return ways;
}

std::string WayText(const BenchWay& way) {
  return absl::StrCat(
      Grouped(way.samples_per_message),
      way.samples_per_message == 1 ? " sample a message" : " samples a message",
      way.ahead ? "" : " one by one", way.deltas ? "" : " without deltas");
}

}  // namespace backprop::cli
