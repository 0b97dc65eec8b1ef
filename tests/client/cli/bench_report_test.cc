// SPDX-License-Identifier: Apache-2.0
#include "client/cli/commands/bench_report.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace backprop::cli {
namespace {

BenchRow Row(const BenchWay& way, uint64_t samples, uint64_t steps) {
  BenchRow row;
  row.way = way;
  row.figures.measured = {.samples = samples,
                          .steps = steps,
                          .sent_bytes = 790 * steps,
                          .received_bytes = 1'098'400 * steps + steps / 2};
  row.figures.seconds = 2;
  return row;
}

TEST(BenchTextTest, IsATableWithTheLatencyBelow) {
  BenchRow first = Row({.samples_per_message = 1, .ahead = false}, 100, 100);
  first.figures.latencies.resize(100);
  std::iota(first.figures.latencies.rbegin(), first.figures.latencies.rend(),
            950.0F);
  const BenchRow last =
      Row({.samples_per_message = 2560, .deltas = false}, 2'469'135, 10);
  EXPECT_EQ(
      BenchText({first, last}),
      "SAMPLES A MESSAGE  DELTAS  SAMPLES/S  SENT A STEP  RECEIVED A STEP\n"
      "1, one by one      yes            50        790 B      1,098,401 B\n"
      "2,560              no      1,234,568        790 B      1,098,401 B\n"
      "\n"
      "An answer, one by one: 999 us (p50), 1.04 ms (p90), 1.05 ms (p99).\n");
}

TEST(BenchTextTest, NoLatencyIsAThousandMicroseconds) {
  BenchRow row = Row({.samples_per_message = 1, .ahead = false}, 2, 2);
  row.figures.latencies = {999.4F, 999.6F};
  EXPECT_NE(BenchText({row}).find("999 us (p50), 1.00 ms (p90)"),
            std::string::npos)
      << BenchText({row});
}

TEST(BenchTextTest, LongLatenciesHaveFewDigits) {
  BenchRow row = Row({.samples_per_message = 1, .ahead = false}, 3, 3);
  row.figures.latencies = {99'994, 2'000'400, 123'456};
  EXPECT_NE(BenchText({row}).find("123 ms (p50), 2000 ms (p90)"),
            std::string::npos)
      << BenchText({row});
}

}  // namespace
}  // namespace backprop::cli
