// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/delta_feed.h"

#include <algorithm>
#include <new>
#include <utility>

namespace backprop {

DeltaFeed::DeltaFeed(size_t max_bytes, Later later)
    : max_bytes_(max_bytes), later_(std::move(later)) {}

void DeltaFeed::HoldFrom(uint64_t step) {
  pieces_ = std::make_unique<std::deque<DeltaPiece>>();
  held_from_ = step;
}

bool DeltaFeed::HasInterest(Clock::time_point now) const {
  return pieces_ != nullptr && (!readers_.empty() || now < interest_until_);
}

void DeltaFeed::ForgetUnlessWanted(Clock::time_point now) {
  if (pieces_ == nullptr || HasInterest(now)) return;
  first_place_ += pieces_->size();
  pieces_.reset();
  bytes_ = 0;
}

bool DeltaFeed::Wanted(Clock::time_point now) {
  MutexLock lock(mutex_);
  ForgetUnlessWanted(now);
  return pieces_ != nullptr;
}

void DeltaFeed::Expire(Clock::time_point now) {
  MutexLock lock(mutex_);
  ForgetUnlessWanted(now);
}

void DeltaFeed::Append(DeltaPiece piece) {
  MutexLock lock(mutex_);
  present_ = piece.step;
  if (pieces_ == nullptr) return;  // expired meanwhile
  const uint64_t end = pieces_->empty() ? held_from_ : pieces_->back().step;
  if (piece.base_step != end) HoldAnewFrom(piece.base_step);
  bytes_ += piece.message->size();
  pieces_->push_back(std::move(piece));
  while (bytes_ > max_bytes_ && pieces_->size() > 1) DropOldest();
  Wake();
}

void DeltaFeed::Lose(uint64_t present) {
  MutexLock lock(mutex_);
  present_ = present;
  if (pieces_ == nullptr) return;
  HoldAnewFrom(present);
  Wake();
}

// One place is left out, so that a reader at the end falls behind too.
void DeltaFeed::HoldAnewFrom(uint64_t step) {
  first_place_ += pieces_->size() + 1;
  pieces_->clear();
  bytes_ = 0;
  held_from_ = step;
}

void DeltaFeed::DropOldest() {
  held_from_ = pieces_->front().step;
  bytes_ -= pieces_->front().message->size();
  pieces_->pop_front();
  ++first_place_;
}

std::optional<uint64_t> DeltaFeed::AddReader(
    std::shared_ptr<DeltaReader> reader, uint64_t after, uint64_t present) {
  MutexLock lock(mutex_);
  present_ = present;
  if (pieces_ == nullptr) {
    if (after < present) return std::nullopt;
    HoldFrom(present);
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
  MutexLock lock(mutex_);
  const auto gone =
      std::find_if(readers_.begin(), readers_.end(),
                   [reader](const auto& each) { return each.get() == reader; });
  if (gone == readers_.end()) return;
  readers_.erase(gone);
  interest_until_ = std::max(interest_until_, now + kInterest);
}

void DeltaFeed::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  Wake();
}

bool DeltaFeed::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

uint64_t DeltaFeed::present() const {
  MutexLock lock(mutex_);
  return present_;
}

DeltaFeed::Found DeltaFeed::At(uint64_t place) const {
  MutexLock lock(mutex_);
  if (place < first_place_) return {.held = false, .piece = std::nullopt};
  const uint64_t index = place - first_place_;
  if (pieces_ == nullptr || index >= pieces_->size()) return {};
  return {.held = true, .piece = (*pieces_)[index]};
}

void DeltaFeed::Wake() {
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
    MutexLock lock(mutex_);
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
  MutexLock lock(mutex_);
  spreading_ = false;
  if (news_) Wake();
}

}  // namespace backprop
