// SPDX-License-Identifier: Apache-2.0
#ifndef BACKPROP_CLIENT_CLI_RUN_BENCH_WAY_H_
#define BACKPROP_CLIENT_CLI_RUN_BENCH_WAY_H_

#include <cstddef>
#include <string>
#include <vector>

namespace backprop::cli {

// One way for samples to travel, whose speed is measured.
struct BenchWay {
  size_t samples_per_message = 1;
  // Messages are sent ahead of their answers; else one by one, each when the
  // one before it was answered.
  bool ahead = true;
  // Answers bring weight deltas, which a replica adds.
  bool deltas = true;

  bool operator==(const BenchWay&) const = default;
};

// Those that `backprop bench` measures: 1, 32 and 256 samples a message, or as
// many more as whole steps of batch_size samples take. None twice.
std::vector<BenchWay> BenchWays(size_t batch_size);

// "1 sample a message one by one", "256 samples a message without deltas"
std::string WayText(const BenchWay& way);

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_BENCH_WAY_H_
