// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/held_answers.h"

#include <iterator>
#include <utility>

namespace backprop {
namespace {

size_t BytesOf(const HeldAnswer& answer) {
  return HeldAnswers::kAnswerBytes + answer.bytes->capacity();
}

}  // namespace

void HeldAnswers::Use(uint64_t kind, Time now) {
  last_use_ = now;
  if (std::exchange(kind_, kind) != kind) Clear();
}

void HeldAnswers::Drop(Answers::iterator answer) {
  bytes_ -= BytesOf(answer->second.answer);
  all_.erase(answer);
}

std::optional<Budget::Reservation> HeldAnswers::MakeRoom(size_t bytes,
                                                         Budget* all) {
  if (all == nullptr) return Budget::Reservation();
  auto room = all->Reserve(bytes);
  while (!room.has_value() && !all_.empty()) {
    Drop(all_.begin());
    room = all->Reserve(bytes);
  }
  return room;
}

void HeldAnswers::Add(uint64_t first_offset, HeldAnswer answer,
                      const HeldRoom& room) {
  while (!all_.empty() && all_.rbegin()->first >= first_offset) {
    Drop(std::prev(all_.end()));
  }
  const size_t bytes = BytesOf(answer);
  if (bytes > room.session_bytes) return;
  while (bytes_ > room.session_bytes - bytes) Drop(all_.begin());
  auto taken = MakeRoom(bytes, room.all);
  if (!taken.has_value()) return;
  all_.emplace_hint(all_.end(), first_offset,
                    Held{std::move(answer), *std::move(taken)});
  bytes_ += bytes;
  last_use_ = std::chrono::system_clock::now();  // a message may take minutes
}

void HeldAnswers::DropBefore(uint64_t offset) {
  while (!all_.empty() && all_.begin()->second.answer.next_offset <= offset) {
    Drop(all_.begin());
  }
}

void HeldAnswers::Clear() {
  if (all_.empty()) return;
  all_.clear();
  bytes_ = 0;
}

bool HeldAnswers::Cover(const AppliedMessage& message, uint64_t end) const {
  uint64_t covered = message.offset;
  for (auto each = all_.find(covered); covered < end; ++each) {
    if (each == all_.end() || each->first != covered ||
        each->second.answer.message != message) {
      return false;
    }
    covered = each->second.answer.next_offset;
  }
  return true;
}

}  // namespace backprop
