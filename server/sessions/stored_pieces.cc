// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/stored_pieces.h"

#include <algorithm>

#include "server/store/restore.h"

namespace backprop {
namespace {

PieceKind KindOf(const StoredPiece& piece) { return piece.name.kind; }

size_t Sum(std::span<const StoredPiece> pieces) {
  size_t bytes = 0;
  for (const StoredPiece& piece : pieces) bytes += piece.bytes;
  return bytes;
}

bool IsAmong(std::span<const StoredPiece> pieces, uint64_t number) {
  return std::ranges::find(pieces, number, NumberOf) != pieces.end();
}

bool IsInGroup(const History& history, uint64_t number) {
  const auto& groups = history.past->groups();
  const auto behind =
      std::ranges::upper_bound(groups, number, {}, &PastGroup::first_piece);
  return behind != groups.begin() && std::prev(behind)->Has(number);
}

}  // namespace

StoredPieces::StoredPieces(const StoredSession& stored, uint64_t first_live,
                           CheckpointSet checkpoints, History history)
    : first_live_(first_live), history_(std::move(history)) {
  const uint64_t spec = SpecPieceOf(stored);
  size_t damaged = 0;  // checkpoints
  for (const StoredPiece& piece : stored.pieces) {
    const PieceName& name = piece.name;
    next_ = std::max(next_, name.number + 1);
    if (name.kind == PieceKind::kCheckpoint) {
      ++damaged;
    } else if (name.number == spec || name.number >= first_live) {
      present_.push_back(piece);
    } else if (name.kind == PieceKind::kSpec &&
               !IsInGroup(history_, name.number) &&
               history_.NeedsSpec(name.number)) {
      specs_.push_back(piece);
    }
  }
  damaged -= checkpoints.size();
  checkpoints_ = std::make_shared<const CheckpointSet>(std::move(checkpoints));
  if (damaged == 0) OweRest(stored, spec);
}

// Runs of those that nobody has.
void StoredPieces::OweRest(const StoredSession& stored, uint64_t present_spec) {
  const HeldPieces held = checkpoints_->Held();
  bool goes_on = false;
  for (const auto& [name, bytes] : stored.pieces) {
    if (name.kind == PieceKind::kCheckpoint) continue;
    if (name.number >= first_live_) return;
    const bool is_needed =
        name.number == present_spec || IsInGroup(history_, name.number) ||
        held.Has(name.kind, name.number) || IsAmong(specs_, name.number);
    if (is_needed) {
      goes_on = false;
    } else if (goes_on) {
      removals_.OweOn(name.number, bytes);
    } else {
      removals_.Owe(name.number, name.number, bytes);
      goes_on = true;
    }
  }
}

uint64_t StoredPieces::spec() const {
  uint64_t newest = 0;
  for (const auto& [name, bytes] : present_) {
    if (name.kind == PieceKind::kSpec) newest = std::max(newest, name.number);
  }
  return newest;
}

size_t StoredPieces::SpecBytes() const {
  const auto at = std::ranges::find(present_, spec(), NumberOf);
  return at == present_.end() ? 0 : at->bytes;
}

size_t StoredPieces::Bytes() const {
  return Sum(present_) + history_.past->bytes() + Sum(specs_);
}

size_t StoredPieces::StepsBytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : present_) {
    if (KindOf(piece) == PieceKind::kSteps) bytes += piece.bytes;
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
  if (spec() != 0) RetireSpec(change);
  Put({.kind = PieceKind::kSpec, .step = step}, std::move(bytes), change);
  spec_is_needed_ = false;
}

void StoredPieces::RetireSpec(SessionChange& change) {
  const auto at = std::ranges::find(present_, spec(), NumberOf);
  const StoredPiece piece = *at;
  const bool becomes_past = history_.begun && spec_is_needed_;
  if (becomes_past && piece.name.number >= first_live_) return;
  present_.erase(at);
  if (!becomes_past) return Drop(piece, change);
  Past past = *history_.past;
  if (past.Own(piece)) {
    history_.past = std::make_shared<const Past>(std::move(past));
  } else {
    specs_.push_back(piece);
  }
}

uint64_t StoredPieces::PutApart(PieceName name, std::string bytes,
                                SessionChange& change) {
  name.number = next_++;
  change.put.push_back({name, std::move(bytes)});
  return name.number;
}

size_t StoredPieces::BeginPresent(uint64_t first_live, uint64_t past_end) {
  const uint64_t present_spec = spec();
  size_t past = 0;
  size_t rest = 0;
  uint64_t first = first_live;  // of what there was
  std::erase_if(present_, [&](const StoredPiece& piece) {
    const uint64_t number = piece.name.number;
    if (number >= first_live || number == present_spec) return false;
    first = std::min(first, number);
    (number < past_end ? past : rest) += piece.bytes;
    return true;
  });
  first_live_ = first_live;
  if (rest > 0) {
    removals_.Owe(std::max(first, past_end), first_live - 1, rest);
  }
  return past;
}

void StoredPieces::ForgetBlocks(SessionChange& change) {
  const uint64_t present_spec = spec();
  std::vector<StoredPiece> gone;
  std::erase_if(present_, [&](const StoredPiece& piece) {
    const bool goes =
        KindOf(piece) == PieceKind::kBlock ||
        (KindOf(piece) == PieceKind::kSpec && NumberOf(piece) != present_spec);
    if (goes) gone.push_back(piece);
    return goes;
  });
  for (const StoredPiece& piece : gone) Drop(piece, change);
}

void StoredPieces::Drop(const StoredPiece& piece, SessionChange& change) {
  const auto& [name, bytes] = piece;
  if (checkpoints_->Held().Has(name.kind, name.number)) return;
  Remove(name.number, change);
}

void StoredPieces::Remove(uint64_t number, SessionChange& change) {
  const auto is_it = [&](const Piece& each) {
    return each.name.number == number;
  };
  // What this very change puts has not reached the store, and need not.
  if (std::erase_if(change.put, is_it) == 0) change.remove.push_back(number);
}

void StoredPieces::TakeBack(uint64_t number, SessionChange& change) {
  present_.erase(std::ranges::find(present_, number, NumberOf));
  Remove(number, change);
}

void StoredPieces::Forget(std::span<const PastGroup> groups,
                          SessionChange& change) {
  const auto unneeded = std::partition(
      specs_.begin(), specs_.end(),
      [&](const auto& spec) { return history_.NeedsSpec(NumberOf(spec)); });
  std::for_each(unneeded, specs_.end(),
                [&](const StoredPiece& spec) { Drop(spec, change); });
  specs_.erase(unneeded, specs_.end());
  const auto keep_spec = [&](const PastGroup& gone, const GroupStart& start) {
    if (!gone.Has(start.spec) || start.spec == spec() ||
        IsAmong(specs_, start.spec)) {
      return;
    }
    specs_.push_back(
        {{.number = start.spec, .kind = PieceKind::kSpec}, start.spec_bytes});
  };
  for (const PastGroup& gone : groups) {
    removals_.Owe(gone.first_piece, gone.last_piece, gone.bytes);
    for (const PastGroup& each : history_.past->groups()) {
      keep_spec(gone, each.start);
    }
    if (history_.present.has_value()) keep_spec(gone, *history_.present);
  }
}

void StoredPieces::CutSpec() {
  const auto& groups = history_.past->groups();
  spec_is_needed_ = !groups.empty() && (spec() <= groups.back().last_piece);
}

void StoredPieces::SetCheckpoints(CheckpointSet checkpoints) {
  checkpoints_ = std::make_shared<const CheckpointSet>(std::move(checkpoints));
}

void StoredPieces::Forsake(const Checkpoint& checkpoint) {
  const uint64_t end = std::min(checkpoint.last_piece + 1, first_live_);
  uint64_t first = checkpoint.first_piece;
  size_t bytes = checkpoint.stored_bytes;
  const auto owe_to = [&](uint64_t behind) {
    if (first >= behind) return;
    removals_.Owe(first, behind - 1, std::exchange(bytes, 0));
  };
  for (const PastGroup& group : history_.past->groups()) {
    owe_to(std::min(end, group.first_piece));
    first = std::max(first, group.last_piece + 1);
  }
  owe_to(end);
  const uint64_t spec = checkpoint.spec_piece;
  if (IsAmong(present_, spec) || IsAmong(specs_, spec) ||
      IsInGroup(history_, spec)) {
    return;
  }
  removals_.Owe(spec, spec, 0);
}

void StoredPieces::RemoveSome(SessionChange& change) {
  if (!removals_.any()) return;
  const HeldPieces held = checkpoints_->Held();
  std::vector<uint64_t> stay = held.specs();
  stay.push_back(spec());
  for (const StoredPiece& spec : specs_) stay.push_back(NumberOf(spec));
  removals_.Take(held, std::move(stay), change);
}

}  // namespace backprop
