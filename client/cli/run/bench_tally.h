// SPDX-License-Identifier: Apache-2.0
//
// What is counted of the answers while one way of sending samples is measured:
//
//   |-- warm-up --|----------- measured -----------|-- the rest --|
//
// Both ends of what is measured lie where a message is answered to its end, so
// that samples, bytes and time belong together.
#ifndef BACKPROP_CLIENT_CLI_RUN_BENCH_TALLY_H_
#define BACKPROP_CLIENT_CLI_RUN_BENCH_TALLY_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "client/cpp/train_stream.h"

namespace backprop::cli {

// Bytes are those of the messages; what gRPC, HTTP/2 and TLS add is left out.
struct BenchCounts {
  uint64_t samples = 0;
  uint64_t steps = 0;
  uint64_t sent_bytes = 0;      // of what was answered to its end
  uint64_t received_bytes = 0;  // of answers

  BenchCounts& operator+=(const BenchCounts& other);
};

struct BenchFigures {
  BenchCounts measured;
  double seconds = 0;  // that `measured` took
  BenchCounts all;     // warm-up and the rest included
  // Of messages sent one by one, measured ones: from sending to having the
  // whole answer, in microseconds and in their order.
  std::vector<float> latencies;

  // 0 if nothing was measured.
  double samples_per_second() const;
};

// The smallest of the numbers that at least this share of them, above 0 and up
// to 1, does not exceed. REQUIRES: there are numbers.
float Percentile(std::vector<float> numbers, double share);

// Not for several threads at once.
class BenchTally {
 public:
  using Clock = std::chrono::steady_clock;

  // batch_size: samples a step. What follows on the first message answered at
  // `warm` or later is measured, to the first answered at `end` or later.
  BenchTally(size_t batch_size, Clock::time_point warm, Clock::time_point end)
      : batch_size_(batch_size), warm_(warm), end_(end) {}

  // A message sent by itself was answered to its end. To be called before Take.
  void AddLatency(Clock::duration latency);
  // An answer came, and what is done with it was done at `now`. ready: that
  // its stream has learnt what it must before it can train.
  void Take(const TrainAnswer& answer, bool ready, Clock::time_point now);

  // Whether all is measured.
  bool done() const { return phase_ == Phase::kRest; }
  // seconds: so far.
  const BenchFigures& figures() const { return figures_; }

 private:
  enum class Phase { kWarmUp, kMeasured, kRest };

  // Constant after construction.
  const size_t batch_size_;
  const Clock::time_point warm_;
  const Clock::time_point end_;

  Phase phase_ = Phase::kWarmUp;
  Clock::time_point begin_;  // of what is measured
  BenchFigures figures_;
};

}  // namespace backprop::cli

#endif  // BACKPROP_CLIENT_CLI_RUN_BENCH_TALLY_H_
