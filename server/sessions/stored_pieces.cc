// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/stored_pieces.h"

#include <algorithm>

#include "server/store/restore.h"

namespace backprop {
namespace {

bool IsPresent(const PieceName& name, uint64_t first_live, uint64_t spec) {
  switch (name.kind) {
    case PieceKind::kSpec:
      return name.number == spec;
    case PieceKind::kCheckpoint:
      return false;
    case PieceKind::kBlock:
      return name.first_number >= first_live;
    default:
      return name.number >= first_live;
  }
}

// past: as it was loaded, by number.
bool HasPiece(const PastPieces& past, uint64_t number) {
  return std::ranges::binary_search(
      past.pieces(), number, {},
      [](const StoredPiece& piece) { return piece.name.number; });
}

PieceKind KindOf(const StoredPiece& piece) { return piece.name.kind; }

}  // namespace

StoredPieces::StoredPieces(const StoredSession& stored, uint64_t first_live,
                           CheckpointSet checkpoints, History history)
    : first_live_(first_live), history_(std::move(history)) {
  const HeldPieces held = checkpoints.Held();
  const uint64_t spec = SpecPieceOf(stored);
  KeptPieces kept;
  for (const StoredPiece& piece : stored.pieces) {
    const PieceName& name = piece.name;
    next_ = std::max(next_, name.number + 1);
    if (IsPresent(name, first_live, spec)) {
      present_.push_back(piece);
    } else if (held.Has(name.kind, name.number) &&
               !HasPiece(*history_.past, name.number)) {
      kept.push_back({name.kind, name.number});
    }
  }
  kept_ = std::make_shared<const KeptPieces>(std::move(kept));
  checkpoints_ = std::make_shared<const CheckpointSet>(std::move(checkpoints));
}

uint64_t StoredPieces::spec() const {
  const auto spec = std::ranges::find(present_, PieceKind::kSpec, KindOf);
  return spec == present_.end() ? 0 : spec->name.number;
}

size_t StoredPieces::Bytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : present_) bytes += piece.bytes;
  return bytes + history_.past->bytes();
}

size_t StoredPieces::StepsBytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : present_) {
    if (piece.name.kind == PieceKind::kSteps) bytes += piece.bytes;
  }
  return bytes;
}

void StoredPieces::Put(PieceName name, std::string bytes,
                       SessionChange& change) {
  name.number = next_++;
  present_.push_back({name, bytes.size()});
  change.put.push_back({name, std::move(bytes)});
  if (name.kind == PieceKind::kBlock) spec_is_needed_ = true;
}

void StoredPieces::PutSpec(uint64_t step, std::string bytes,
                           SessionChange& change) {
  const auto before = TakeOut(
      [](const PieceName& name) { return name.kind == PieceKind::kSpec; });
  if (spec_is_needed_) {
    Retire(before, change);
  } else {
    Drop(before, change);
  }
  Put({.kind = PieceKind::kSpec, .step = step}, std::move(bytes), change);
  spec_is_needed_ = false;
}

uint64_t StoredPieces::PutApart(PieceName name, std::string bytes,
                                SessionChange& change) {
  name.number = next_++;
  change.put.push_back({name, std::move(bytes)});
  return name.number;
}

void StoredPieces::Retire(std::span<const uint64_t> numbers,
                          SessionChange& change) {
  std::vector<StoredPiece> pieces;
  for (const uint64_t number : numbers) {
    const auto piece = std::ranges::find(
        present_, number,
        [](const StoredPiece& each) { return each.name.number; });
    pieces.push_back(*piece);
    present_.erase(piece);
  }
  Retire(pieces, change);
}

void StoredPieces::RetireNumbers(SessionChange& change) {
  Retire(TakeOut([](const PieceName& name) {
           return name.kind != PieceKind::kSpec;
         }),
         change);
}

void StoredPieces::Retire(const std::vector<StoredPiece>& pieces,
                          SessionChange& change) {
  if (!history_.begun) return Drop(pieces, change);
  if (pieces.empty()) return;
  PastPieces past = *history_.past;
  for (const StoredPiece& piece : pieces) past.Add(piece);
  history_.past = std::make_shared<const PastPieces>(std::move(past));
}

void StoredPieces::Drop(std::span<const StoredPiece> pieces,
                        SessionChange& change) {
  if (pieces.empty()) return;
  const HeldPieces held = checkpoints_->Held();
  KeptPieces kept = *kept_;
  for (const auto& [name, bytes] : pieces) {
    if (held.Has(name.kind, name.number)) {
      kept.push_back({name.kind, name.number});
    } else {
      Remove(name.number, change);
    }
  }
  kept_ = std::make_shared<const KeptPieces>(std::move(kept));
}

void StoredPieces::Remove(uint64_t number, SessionChange& change) {
  const auto is_it = [&](const Piece& each) {
    return each.name.number == number;
  };
  // What this very change puts has not reached the store, and need not.
  if (std::erase_if(change.put, is_it) == 0) change.remove.push_back(number);
}

void StoredPieces::SetCheckpoints(CheckpointSet checkpoints,
                                  SessionChange& change) {
  checkpoints_ = std::make_shared<const CheckpointSet>(std::move(checkpoints));
  const HeldPieces held = checkpoints_->Held();
  KeptPieces kept;
  for (const Kept& each : *kept_) {
    if (held.Has(each.kind, each.number)) {
      kept.push_back(each);
    } else {
      Remove(each.number, change);
    }
  }
  kept_ = std::make_shared<const KeptPieces>(std::move(kept));
}

}  // namespace backprop
