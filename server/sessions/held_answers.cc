// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/held_answers.h"

#include <iterator>
#include <utility>

namespace backprop {
namespace {

size_t BytesOf(const HeldAnswer& answer) {
  return HeldAnswers::kAnswerBytes + answer.bytes.capacity();
}

}  // namespace

void HeldAnswers::SetKind(uint64_t kind) {
  if (std::exchange(kind_, kind) != kind) Clear();
}

void HeldAnswers::Drop(Answers::iterator answer) {
  bytes_ -= BytesOf(answer->second);
  all_.erase(answer);
}

void HeldAnswers::Add(uint64_t first_offset, HeldAnswer answer,
                      size_t most_bytes) {
  while (!all_.empty() && all_.rbegin()->first >= first_offset) {
    Drop(std::prev(all_.end()));
  }
  const size_t bytes = BytesOf(answer);
  if (bytes > most_bytes) return;
  while (bytes_ > most_bytes - bytes) Drop(all_.begin());
  all_.emplace_hint(all_.end(), first_offset, std::move(answer));
  bytes_ += bytes;
}

void HeldAnswers::DropBefore(uint64_t offset) {
  while (!all_.empty() && all_.begin()->second.next_offset <= offset) {
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
        each->second.message != message) {
      return false;
    }
    covered = each->second.next_offset;
  }
  return true;
}

}  // namespace backprop
