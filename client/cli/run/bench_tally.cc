// SPDX-License-Identifier: Apache-2.0
#include "client/cli/run/bench_tally.h"

#include <algorithm>
#include <cmath>

namespace backprop::cli {

BenchCounts& BenchCounts::operator+=(const BenchCounts& other) {
  samples += other.samples;
  steps += other.steps;
  sent_bytes += other.sent_bytes;
  received_bytes += other.received_bytes;
  return *this;
}

double BenchFigures::samples_per_second() const {
  return seconds > 0 ? static_cast<double>(measured.samples) / seconds : 0;
}

float Percentile(std::vector<float> numbers, double share) {
  const auto count = static_cast<double>(numbers.size());
  const auto rank =
      static_cast<ptrdiff_t>(std::max(1.0, std::ceil(share * count)));
  const auto at = numbers.begin() + (rank - 1);
  std::nth_element(numbers.begin(), at, numbers.end());
  return *at;
}

void BenchTally::AddLatency(Clock::duration latency) {
  if (phase_ != Phase::kMeasured) return;
  figures_.latencies.push_back(
      std::chrono::duration<float, std::micro>(latency).count());
}

void BenchTally::Take(const TrainAnswer& answer, bool ready,
                      Clock::time_point now) {
  const v1::TrainResponse& response = answer.response;
  const bool whole = response.message_done() && answer.request != nullptr;
  const uint64_t steps = response.step() - response.base_step();
  const BenchCounts counts = {
      .samples = steps * batch_size_,
      .steps = steps,
      .sent_bytes = whole ? answer.request->ByteSizeLong() : 0,
      .received_bytes = response.ByteSizeLong()};
  figures_.all += counts;
  if (phase_ == Phase::kMeasured) figures_.measured += counts;
  if (!whole) return;
  if (phase_ == Phase::kWarmUp && ready && now >= warm_) {
    phase_ = Phase::kMeasured;
    begin_ = now;
  } else if (phase_ == Phase::kMeasured) {
    figures_.seconds = std::chrono::duration<double>(now - begin_).count();
    if (now >= end_) phase_ = Phase::kRest;
  }
}

}  // namespace backprop::cli
