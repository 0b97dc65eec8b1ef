// SPDX-License-Identifier: Apache-2.0
#include "server/rpc/watch_source.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "server/sessions/out_of_memory.h"

namespace backprop {
namespace {

using Message = std::shared_ptr<const std::string>;

// The bytes themselves, not a copy.
grpc::ByteBuffer Borrow(const Message& message) {
  auto* const owner = new Message(message);
  // Slices are read only; the signature is older than that.
  grpc::Slice slice(
      const_cast<char*>(message->data()), message->size(),
      [](void* kept) { delete static_cast<Message*>(kept); }, owner);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

void WatchSource::Unfollow(const DeltaReader* reader) {
  if (follows()) feed_->RemoveReader(reader, DeltaFeed::Clock::now());
}

void WatchSource::Begin(uint64_t place, uint64_t step, grpc::ByteBuffer first) {
  place_ = place;
  step_ = step;
  first_ = std::move(first);
}

void WatchSource::SendAnchor(SharedAnchor anchor) {
  anchor_ = std::move(anchor);
  next_number_ = 0;
  step_ = anchor_->step();
}

absl::StatusOr<WatchSource::Found> WatchSource::Next(
    grpc::ByteBuffer* message) {
  if (first_.Valid()) {
    *message = std::move(first_);
    first_.Clear();
    return Found::kMessage;
  }
  return CatchOutOfMemory([&]() -> absl::StatusOr<Found> {
    if (anchor_ == nullptr) return NextPiece(message);
    *message = anchor_->WatchedChunk(next_number_);
    next_number_ += kAnchorChunkNumbers;
    return Found::kMessage;
  });
}

WatchSource::Found WatchSource::NextPiece(grpc::ByteBuffer* message) {
  const bool closed = feed_->closed();  // before the last piece is looked for
  const DeltaFeed::Found next = feed_->At(place_);
  if (!next.held) return Found::kBehind;
  if (!next.piece.has_value()) return closed ? Found::kClosed : Found::kNothing;
  const Message& piece = next.piece->message;
  // One that is larger than all the room goes alone.
  auto room = room_.Reserve(std::min(piece->size(), room_.limit()));
  if (!room.has_value()) return Found::kBehind;
  *message = Borrow(piece);
  borrowed_ = *std::move(room);
  ++place_;
  step_ = next.piece->step;
  return Found::kMessage;
}

v1::WatchDeltasResponse WatchSource::Last(WatchEnd why) const {
  return LastOfWatch(why, step_, *feed_);
}

void WatchSource::Written() {
  borrowed_ = {};
  if (anchor_ != nullptr && next_number_ >= anchor_->size()) anchor_.reset();
}

}  // namespace backprop
