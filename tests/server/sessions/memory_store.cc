// SPDX-License-Identifier: Apache-2.0
#include "tests/server/sessions/memory_store.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace backprop::testing {
namespace {

std::string TextOf(std::span<const SessionChange> changes) {
  std::string text;
  for (const SessionChange& change : changes) {
    absl::StrAppend(&text, change.head.id, " ", change.head.step, " ",
                    change.erase);
    for (const Piece& piece : change.put) {
      absl::StrAppend(&text, " ", piece.name.number, ":", piece.bytes);
    }
    for (uint64_t number : change.remove) absl::StrAppend(&text, " -", number);
    for (const PieceRange& range : change.remove_ranges) {
      absl::StrAppend(&text, " -", range.first, "-", range.last);
    }
  }
  return text;
}

}  // namespace

ChangeOutcome MemoryStore::Take(const SessionChange& change) {
  EXPECT_FALSE(change.erase && change.expected_epoch == 0 && !change.damaged)
      << "it erases what it says is not there";
  const auto found = entries_.find(change.head.id);
  const uint64_t epoch = found == entries_.end() ? 0 : found->second.head.epoch;
  if (change.damaged) {
    damaged_.erase(change.head.id);
    entries_.erase(change.head.id);
    return ChangeOutcome::kTaken;
  }
  if (damaged_.contains(change.head.id)) return ChangeOutcome::kDamaged;
  if (epoch != change.expected_epoch) return ChangeOutcome::kOtherEpoch;
  if (change.erase) {
    entries_.erase(change.head.id);
    return ChangeOutcome::kTaken;
  }
  Entry& entry = entries_[change.head.id];
  if (change.head.epoch != change.expected_epoch) {
    entry.epochs.push_back({change.head.epoch, change.head.step});
  }
  entry.head = change.head;
  for (uint64_t number : change.remove) {
    if (entry.pieces.erase(number) == 0) return ChangeOutcome::kDamaged;
  }
  for (const PieceRange& range : change.remove_ranges) {
    std::erase_if(entry.pieces, [&](const auto& each) {
      const auto& [number, piece] = each;
      const PieceKind kind = piece.name.kind;
      return range.first <= number && number <= range.last &&
             kind != PieceKind::kCheckpoint &&
             (kind == PieceKind::kBlock || !range.blocks_alone);
    });
  }
  for (const Piece& piece : change.put) {
    if (!entry.pieces.emplace(piece.name.number, piece).second) {
      return ChangeOutcome::kDamaged;
    }
  }
  return ChangeOutcome::kTaken;
}

absl::StatusOr<std::vector<ChangeOutcome>> MemoryStore::Commit(
    std::span<const SessionChange> changes) {
  MutexLock lock(mutex_);
  hangs_ = may_hang_;
  while (may_hang_) changed_.Wait(mutex_);
  hangs_ = false;
  if (fails_) {
    failed_.push_back(TextOf(changes));
    return absl::UnavailableError("the disk is full");
  }
  std::vector<ChangeOutcome> taken;
  for (const SessionChange& change : changes) taken.push_back(Take(change));
  return taken;
}

absl::StatusOr<StoredSession> MemoryStore::Load(const std::string& id) {
  MutexLock lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return absl::NotFoundError(id);
  StoredSession stored{found->second.head, found->second.epochs, {}};
  for (const auto& [number, piece] : found->second.pieces) {
    stored.pieces.push_back({piece.name, piece.bytes.size()});
  }
  return stored;
}

absl::StatusOr<std::vector<StoredHead>> MemoryStore::List(
    const std::string& after, size_t count) {
  MutexLock lock(mutex_);
  std::vector<StoredHead> heads;
  for (auto it = entries_.upper_bound(after);
       it != entries_.end() && heads.size() < count; ++it) {
    heads.push_back({it->second.head, 0, absl::OkStatus()});
  }
  return heads;
}

absl::StatusOr<std::string> MemoryStore::ReadPiece(const std::string& id,
                                                   uint64_t number) {
  MutexLock lock(mutex_);
  return entries_.at(id).pieces.at(number).bytes;
}

void MemoryStore::Fail(bool on) {
  MutexLock lock(mutex_);
  fails_ = on;
}

void MemoryStore::Hang(bool on) {
  MutexLock lock(mutex_);
  may_hang_ = on;
  changed_.NotifyAll();
}

bool MemoryStore::hangs() const {
  MutexLock lock(mutex_);
  return hangs_;
}

size_t MemoryStore::failures() const {
  MutexLock lock(mutex_);
  return failed_.size();
}

std::vector<std::string> MemoryStore::failed() const {
  MutexLock lock(mutex_);
  return failed_;
}

size_t MemoryStore::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

size_t MemoryStore::CountOf(const std::string& id, PieceKind kind) const {
  MutexLock lock(mutex_);
  size_t count = 0;
  for (const auto& [number, piece] : entries_.at(id).pieces) {
    if (piece.name.kind == kind) ++count;
  }
  return count;
}

size_t MemoryStore::BytesOf(const std::string& id, PieceKind kind) const {
  MutexLock lock(mutex_);
  size_t bytes = 0;
  for (const auto& [number, piece] : entries_.at(id).pieces) {
    if (piece.name.kind == kind) bytes += piece.bytes.size();
  }
  return bytes;
}

void MemoryStore::SetEpoch(const std::string& id, uint64_t epoch) {
  MutexLock lock(mutex_);
  entries_.at(id).head.epoch = epoch;
}

void MemoryStore::Damage(const std::string& id) {
  MutexLock lock(mutex_);
  damaged_.insert(id);
}

void MemoryStore::Spoil(const std::string& id) {
  MutexLock lock(mutex_);
  for (auto& [number, piece] : entries_.at(id).pieces) {
    if (piece.name.kind == PieceKind::kImage) piece.bytes.pop_back();
  }
}

}  // namespace backprop::testing
