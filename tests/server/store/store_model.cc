// SPDX-License-Identifier: Apache-2.0
#include "tests/server/store/store_model.h"

#include <algorithm>
#include <utility>

namespace backprop::testing {
namespace {

constexpr uint64_t kSessions = 6;
constexpr size_t kSmall = 100;

absl::Status Different(const std::string& what) {
  return absl::UnknownError("the store says something else of " + what);
}

// Nothing where something should be is not an error but a loss.
absl::Status Read(const absl::Status& status, const std::string& what) {
  return absl::IsNotFound(status) ? Different(what + ": nothing") : status;
}

}  // namespace

std::vector<ChangeOutcome> StoreModel::Commit(
    std::span<const SessionChange> changes) {
  std::vector<ChangeOutcome> taken;
  for (const SessionChange& change : changes) taken.push_back(Apply(change));
  return taken;
}

ChangeOutcome StoreModel::Apply(const SessionChange& change) {
  const std::string& id = change.head.id;
  const auto found = sessions_.find(id);
  const uint64_t epoch =
      found == sessions_.end() ? 0 : found->second.head.epoch;
  if (epoch != change.expected_epoch) return ChangeOutcome::kOtherEpoch;
  if (change.erase) {
    sessions_.erase(id);
    return ChangeOutcome::kTaken;
  }
  Session& session = sessions_[id];
  session.head = change.head;
  if (change.head.epoch != epoch) {
    session.epochs.push_back({change.head.epoch, change.head.step});
  }
  for (const uint64_t number : change.remove) session.pieces.erase(number);
  for (const PieceRange& range : change.remove_ranges) {
    std::erase_if(session.pieces, [&](const auto& each) {
      const auto& [number, piece] = each;
      const PieceKind kind = piece.name.kind;
      return range.first <= number && number <= range.last &&
             kind != PieceKind::kCheckpoint &&
             (kind == PieceKind::kBlock || !range.blocks_alone);
    });
  }
  for (const Piece& piece : change.put) {
    session.pieces[piece.name.number] = piece;
  }
  return ChangeOutcome::kTaken;
}

absl::Status StoreModel::Compare(Store& store) const {
  if (absl::Status s = CompareHeads(store); !s.ok()) return s;
  for (const auto& [id, session] : sessions_) {
    if (absl::Status s = CompareSession(store, session); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status StoreModel::CompareHeads(Store& store) const {
  auto heads = store.List("", 2 * kSessions);
  if (!heads.ok()) return heads.status();
  if (heads->size() != sessions_.size()) return Different("how many there are");
  auto listed = heads->begin();
  for (const auto& [id, session] : sessions_) {
    if (!listed->damage.ok()) return listed->damage;
    size_t bytes = 0;
    for (const auto& [number, piece] : session.pieces) {
      bytes += piece.bytes.size();
    }
    if (!(listed->head == session.head)) return Different("the head of " + id);
    if (listed->bytes != bytes) return Different("the bytes of " + id);
    ++listed;
  }
  return absl::OkStatus();
}

absl::Status StoreModel::CompareSession(Store& store,
                                        const Session& session) const {
  const std::string& id = session.head.id;
  auto loaded = store.Load(id);
  if (!loaded.ok()) return Read(loaded.status(), id);
  if (!(loaded->head == session.head)) return Different("the head of " + id);
  if (loaded->epochs != session.epochs) return Different("epochs of " + id);
  if (loaded->pieces.size() != session.pieces.size()) {
    return Different("how many pieces has " + id);
  }
  auto stored = loaded->pieces.begin();
  for (const auto& [number, piece] : session.pieces) {
    const std::string named = id + "'s piece " + std::to_string(number);
    if (!(stored->name == piece.name) || stored->bytes != piece.bytes.size()) {
      return Different("the name of " + named);
    }
    auto bytes = store.ReadPiece(id, number);
    if (!bytes.ok()) return Read(bytes.status(), named);
    if (*bytes != piece.bytes) return Different(named);
    ++stored;
  }
  return absl::OkStatus();
}

std::string RandomChanges::Bytes(size_t longest) {
  std::string bytes(Below(longest + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

std::vector<SessionChange> RandomChanges::Next(const StoreModel& model) {
  StoreModel after = model;
  const bool small = Below(2) == 0;
  longest_ = small ? kSmall : largest_;
  std::vector<SessionChange> changes;
  for (uint64_t count = small ? 1 : 1 + Below(4); count > 0; --count) {
    changes.push_back(One(after));
    after.Commit({&changes.back(), 1});
  }
  return changes;
}

SessionChange RandomChanges::One(const StoreModel& model) {
  SessionChange change;
  change.head.id = "s-" + std::to_string(Below(kSessions));
  const auto found = model.sessions_.find(change.head.id);
  const bool there = found != model.sessions_.end();
  const uint64_t epoch = there ? found->second.head.epoch : 0;
  const uint64_t step = there ? found->second.head.step : Below(100);
  const bool stale = Below(8) == 0;
  change.expected_epoch = stale ? Below(epoch + 3) : epoch;
  change.erase = change.expected_epoch > 0 && Below(10) == 0;
  const bool next_epoch = change.expected_epoch == 0 || Below(5) == 0;
  change.head.epoch = change.expected_epoch + (next_epoch ? 1 + Below(2) : 0);
  change.head.step = step + Below(10);
  change.head.body = Bytes(200);
  if (!change.erase) {
    ChangePieces(there ? &found->second : nullptr, change);
  }
  return change;
}

// Some by one, or all of a range, in which there may be none.
void RandomChanges::RemovePieces(const StoreModel::Session& session,
                                 SessionChange& change) {
  // That no range has yet.
  uint64_t next = session.pieces.empty() ? 1 : session.pieces.begin()->first;
  while (Below(3) == 0) {
    const uint64_t first = next + Below(20);
    next = std::min(first + 1 + Below(40), next_number_);
    if (first >= next) return;
    change.remove_ranges.push_back({first, next - 1, Below(3) == 0});
  }
  for (const auto& [number, piece] : session.pieces) {
    if (number >= next && Below(3) == 0) change.remove.push_back(number);
  }
}

void RandomChanges::ChangePieces(const StoreModel::Session* session,
                                 SessionChange& change) {
  if (session != nullptr && change.expected_epoch != 0) {
    RemovePieces(*session, change);
  }
  for (uint64_t count = Below(3); count > 0; --count) {
    const PieceName name{.number = next_number_++,
                         .kind = static_cast<PieceKind>(1 + Below(5)),
                         .base_step = Below(100),
                         .step = Below(1000),
                         .first_number = Below(1 << 20)};
    change.put.push_back({name, Bytes(Below(2) == 0 ? kSmall : longest_)});
  }
}

}  // namespace backprop::testing
