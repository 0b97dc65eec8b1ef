// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/delta_feed.h"

#include <algorithm>
#include <new>
#include <utility>

namespace backprop {

DeltaFeed::DeltaFeed(size_t max_bytes, Later later)
    : max_bytes_(max_bytes), later_(std::move(later)) {}

void DeltaFeed::HoldFromLocked(uint64_t step) {
  pieces_ = std::make_unique<std::deque<DeltaPiece>>();
  held_from_ = step;
}

bool DeltaFeed::WantedLocked(Clock::time_point now) const {
  return pieces_ != nullptr && (!readers_.empty() || now < interest_until_);
}

void DeltaFeed::ExpireLocked(Clock::time_point now) {
  if (pieces_ == nullptr || WantedLocked(now)) return;
  first_place_ += pieces_->size();
  pieces_.reset();
  bytes_ = 0;
}

bool DeltaFeed::Wanted(Clock::time_point now) {
  std::lock_guard lock(mutex_);
  ExpireLocked(now);
  return pieces_ != nullptr;
}

void DeltaFeed::Expire(Clock::time_point now) {
  std::lock_guard lock(mutex_);
  ExpireLocked(now);
}

void DeltaFeed::Append(DeltaPiece piece) {
  std::lock_guard lock(mutex_);
  present_ = piece.step;
  if (pieces_ == nullptr) return;  // expired meanwhile
  const uint64_t end = pieces_->empty() ? held_from_ : pieces_->back().step;
  if (piece.base_step != end) LoseLocked(piece.base_step);
  bytes_ += piece.message->size();
  pieces_->push_back(std::move(piece));
  while (bytes_ > max_bytes_ && pieces_->size() > 1) DropOldestLocked();
  WakeLocked();
}

void DeltaFeed::Lose(uint64_t present) {
  std::lock_guard lock(mutex_);
  present_ = present;
  if (pieces_ == nullptr) return;
  LoseLocked(present);
  WakeLocked();
}

// One place is left out, so that a reader at the end falls behind too.
void DeltaFeed::LoseLocked(uint64_t present) {
  first_place_ += pieces_->size() + 1;
  pieces_->clear();
  bytes_ = 0;
  held_from_ = present;
}

void DeltaFeed::DropOldestLocked() {
  held_from_ = pieces_->front().step;
  bytes_ -= pieces_->front().message->size();
  pieces_->pop_front();
  ++first_place_;
}

std::optional<uint64_t> DeltaFeed::AddReader(
    std::shared_ptr<DeltaReader> reader, uint64_t after, uint64_t present) {
  std::lock_guard lock(mutex_);
  present_ = present;
  if (pieces_ == nullptr) {
    if (after < present) return std::nullopt;
    HoldFromLocked(present);
  }
  if (after < held_from_) return std::nullopt;
  const auto first =
      after == present
          ? pieces_->end()
          : std::lower_bound(pieces_->begin(), pieces_->end(), after,
                             [](const DeltaPiece& each, uint64_t step) {
                               return each.base_step < step;
                             });
  const uint64_t begins = first == pieces_->end() ? present : first->base_step;
  if (begins != after) return std::nullopt;
  if (std::ranges::find(readers_, reader) == readers_.end()) {
    readers_.push_back(std::move(reader));
  }
  return first_place_ + static_cast<uint64_t>(first - pieces_->begin());
}

void DeltaFeed::RemoveReader(const DeltaReader* reader, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  const auto gone =
      std::find_if(readers_.begin(), readers_.end(),
                   [reader](const auto& each) { return each.get() == reader; });
  if (gone == readers_.end()) return;
  readers_.erase(gone);
  interest_until_ = std::max(interest_until_, now + kInterest);
}

void DeltaFeed::Close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  WakeLocked();
}

bool DeltaFeed::closed() const {
  std::lock_guard lock(mutex_);
  return closed_;
}

uint64_t DeltaFeed::present() const {
  std::lock_guard lock(mutex_);
  return present_;
}

DeltaFeed::Place DeltaFeed::At(uint64_t place) const {
  std::lock_guard lock(mutex_);
  if (place < first_place_) return {.held = false, .piece = std::nullopt};
  const uint64_t index = place - first_place_;
  if (pieces_ == nullptr || index >= pieces_->size()) return {};
  return {.held = true, .piece = (*pieces_)[index]};
}

void DeltaFeed::WakeLocked() {
  news_ = true;
  if (spreading_ || readers_.empty()) return;
  later_([self = shared_from_this()] { self->Spread(); });
  spreading_ = true;  // Spread waits for the lock
}

// One pass; what comes meanwhile is told in another, so that this thread has
// other turns between.
void DeltaFeed::Spread() {
  std::vector<std::shared_ptr<DeltaReader>> readers;
  {
    std::lock_guard lock(mutex_);
    news_ = false;
    spreading_ = false;
    try {
      readers = readers_;
    } catch (const std::bad_alloc&) {
      return;  // told with the next news
    }
    spreading_ = true;
  }
  for (const auto& reader : readers) reader->OnNews();
  readers.clear();  // what it owned may be freed; not under the lock
  std::lock_guard lock(mutex_);
  spreading_ = false;
  if (news_) WakeLocked();
}

}  // namespace backprop
