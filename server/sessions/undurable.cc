// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/undurable.h"

namespace backprop {

void Undurable::Share::Set(size_t bytes) {
  if (of_ == nullptr || bytes == bytes_) return;
  const size_t moved = bytes > bytes_ ? bytes - bytes_ : bytes_ - bytes;
  if (!handed_over_ && bytes != 0 && moved < of_->step_) return;
  // What is less wraps around, and so is taken off.
  of_->bytes_ += bytes - bytes_;
  if (handed_over_) of_->handed_over_ += bytes - bytes_;
  bytes_ = bytes;
}

Undurable::Share Undurable::Took(size_t bytes) {
  bytes_ += bytes;
  Share share(this, true);
  share.bytes_ = bytes;
  return share;
}

std::optional<Undurable::Share> Undurable::HandOver(size_t bytes) {
  size_t before = handed_over_;
  do {
    const bool fits = before <= limit_ && bytes <= limit_ - before;
    if (before != 0 && bytes != 0 && !fits) return std::nullopt;
  } while (!handed_over_.compare_exchange_weak(before, before + bytes));
  return Took(bytes);
}

std::optional<Undurable::Share> Undurable::HandOverUnasked(size_t bytes) {
  if (Fails()) return HandOver(bytes);
  handed_over_ += bytes;
  return Took(bytes);
}

void Undurable::BeginAttempt(size_t bytes) {
  const std::chrono::seconds longer(bytes / patience_.bytes_a_second);
  late_at_ = Clock::now() + patience_.least + longer;
}

void Undurable::EndAttempt(bool worked) {
  fails_ = !worked;
  late_at_ = Clock::time_point::max();
}

}  // namespace backprop
