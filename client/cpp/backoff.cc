// SPDX-License-Identifier: Apache-2.0
#include "client/cpp/backoff.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>

namespace backprop {
namespace {

// Waits have reached their bound long before; 2 to a much higher power would be
// beyond all numbers.
constexpr int kLastDoubling = 62;

class MachineClock : public RetryClock {
 public:
  TimePoint Now() override { return std::chrono::steady_clock::now(); }
  void WaitUntil(client::Mutex& mutex, client::CondVar& changed,
                 TimePoint moment) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    changed.WaitUntil(mutex, moment);
  }
};

}  // namespace

std::shared_ptr<RetryClock> SystemRetryClock() {
  return std::make_shared<MachineClock>();
}

std::function<double()> SystemJitter() {
  return [bits = std::mt19937_64(std::random_device()())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(bits);
  };
}

Backoff::Backoff(const RetryPolicy& policy, std::function<double()> jitter)
    : policy_(policy), jitter_(std::move(jitter)) {}

std::optional<Backoff::TimePoint> Backoff::Next(TimePoint now) {
  if (policy_.within.count() <= 0) return std::nullopt;
  if (failures_ == 0) last_ = now + policy_.within;
  if (now >= last_) return std::nullopt;
  const double doubled =
      std::chrono::duration<double, std::milli>(policy_.first).count() *
      static_cast<double>(uint64_t{1} << std::min(failures_, kLastDoubling));
  ++failures_;
  const double bound = std::min(
      doubled,
      std::chrono::duration<double, std::milli>(policy_.longest).count());
  const std::chrono::duration<double, std::milli> wait(bound * jitter_());
  return std::min(last_,
                  now + std::chrono::duration_cast<TimePoint::duration>(wait));
}

}  // namespace backprop
