// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/journal.h"

#include <algorithm>
#include <new>
#include <utility>

#include "server/failpoint.h"
#include "server/store/restore.h"
#include "server/store/session_image.h"

namespace backprop {
namespace {

// Of one image piece: some milliseconds of a disk.
constexpr size_t kPartBytes = size_t{4} << 20;
// An image up to this is handed over whole: copying it takes a millisecond or
// two.
constexpr size_t kWholeBytes = size_t{8} << 20;

bool IsLive(const PieceName& name, uint64_t first_live, uint64_t spec) {
  return name.kind == PieceKind::kSpec
             ? name.number == spec
             : name.kind != PieceKind::kCheckpoint && name.number >= first_live;
}

}  // namespace

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type)
    : codec_(codec),
      layout_(layout),
      epoch_(1),
      rows_(layout, element_type, 0),
      gathers_(false) {}

Journal::Journal(const SessionCodec& codec, const Layout& layout,
                 ElementType element_type, const StoredSession& stored,
                 uint64_t first_live_piece, CheckpointSet checkpoints)
    : codec_(codec),
      layout_(layout),
      epoch_(stored.head.epoch + 1),
      stored_{.epoch = stored.head.epoch,
              .step = stored.head.step,
              .first_live = first_live_piece,
              .has_image = true},
      rows_(layout, element_type, stored_.step),
      gathers_(StepsRestore(layout)) {
  const HeldPieces held = checkpoints.Held();
  const uint64_t spec = SpecPieceOf(stored);
  KeptPieces kept;
  for (const StoredPiece& piece : stored.pieces) {
    const PieceName& name = piece.name;
    next_piece_ = std::max(next_piece_, name.number + 1);
    if (IsLive(name, first_live_piece, spec)) {
      stored_.pieces.push_back(piece);
    } else if (held.Has(name.kind, name.number)) {
      kept.push_back({name.kind, name.number});
    }
  }
  stored_.kept = std::make_shared<const KeptPieces>(std::move(kept));
  stored_.checkpoints =
      std::make_shared<const CheckpointSet>(std::move(checkpoints));
}

void Journal::AddSteps(size_t steps, const StepsPart& part) {
  steps_ += steps;
  if (!gathers_) return;
  try {
    rows_.Append(part);
  } catch (const std::bad_alloc&) {
    return StopGathering();
  }
  if (rows_.bytes() > ImageBytes()) StopGathering();
}

void Journal::StopGathering() {
  bytes_a_step_ = rows_.bytes() / steps_;
  rows_.StartAfter(0);
  gathers_ = false;
}

bool Journal::ShouldGather() const {
  return StepsRestore(layout_) && steps_ * bytes_a_step_ <= ImageBytes();
}

size_t Journal::ImageBytes() const {
  return (1 + layout_.state_count()) * layout_.weight_count() * sizeof(float);
}

size_t Journal::PartWeights() const {
  return kPartBytes / sizeof(float) / (1 + layout_.state_count());
}

size_t Journal::StoredStepsBytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : stored_.pieces) {
    if (piece.name.kind == PieceKind::kSteps) bytes += piece.bytes;
  }
  return bytes;
}

size_t Journal::StoredBytes() const {
  size_t bytes = 0;
  for (const StoredPiece& piece : stored_.pieces) bytes += piece.bytes;
  return bytes;
}

bool Journal::StepsCover(uint64_t step) const {
  return stored_.has_image && gathers_ && stored_.step + steps_ == step;
}

template <class Make>
SessionChange Journal::WholeOrNothing(Make make) {
  Stored before = stored_;
  const uint64_t epoch = epoch_;
  try {
    return make();
  } catch (const std::bad_alloc&) {
    stored_ = std::move(before);
    epoch_ = epoch;
    rows_.StartAfter(0);
    gathers_ = false;
    throw;
  }
}

SessionChange Journal::HandOver(const Moment& moment,
                                const CheckpointEdit& edit) {
  return WholeOrNothing([&] {
    SessionChange change = NextChange(moment);
    EditCheckpoints(edit, change);
    return change;
  });
}

SessionChange Journal::Rewind(const Moment& moment) {
  return WholeOrNothing([&] {
    std::vector<uint64_t> numbers;
    for (const StoredPiece& piece : stored_.pieces) {
      if (piece.name.kind != PieceKind::kSpec) {
        numbers.push_back(piece.name.number);
      }
    }
    SessionChange change;
    change.expected_epoch = stored_.epoch;
    Remove(numbers, change);
    PutSpec(moment, change);
    PutImage(moment, change);
    ++epoch_;
    steps_ = 0;  // those that were gathered are of no life any more
    Conclude(moment, change);
    return change;
  });
}

SessionChange Journal::NextChange(const Moment& moment) {
  SessionChange change;
  change.expected_epoch = stored_.epoch;
  PutNewSpec(moment, change);
  if (!stored_.has_image || moment.standing.progress.step != stored_.step) {
    PutNumbers(moment, change);
  }
  Conclude(moment, change);
  return change;
}

void Journal::Conclude(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  change.head = {moment.birth.id, epoch_, step,
                 codec_.EncodeHead(moment.birth, moment.standing, *moment.spec,
                                   stored_.first_live)};
  stored_.epoch = epoch_;
  stored_.step = step;
  gathers_ = ShouldGather();
  rows_.StartAfter(step);
  steps_ = 0;
}

SessionChange Journal::Erase(const std::string& id) const {
  SessionChange change;
  change.head.id = id;
  change.head.epoch = epoch_;
  change.expected_epoch = stored_.epoch;
  change.erase = true;
  return change;
}

void Journal::PutNewSpec(const Moment& moment, SessionChange& change) {
  const bool is_first = stored_.epoch != 0 && stored_.spec == nullptr;
  if (is_first) stored_.spec = moment.spec;
  if (stored_.spec != moment.spec) PutSpec(moment, change);
}

void Journal::PutSpec(const Moment& moment, SessionChange& change) {
  std::vector<uint64_t> before;
  for (const StoredPiece& each : stored_.pieces) {
    if (each.name.kind == PieceKind::kSpec) before.push_back(each.name.number);
  }
  Remove(before, change);
  Put({.kind = PieceKind::kSpec, .step = moment.standing.progress.step},
      codec_.EncodeSpec(*moment.spec, layout_), change);
  stored_.spec = moment.spec;
}

void Journal::PutNumbers(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  if (!StepsCover(step)) return PutImage(moment, change);
  PutSteps(step, change);
  if (ImageBytes() > kWholeBytes) {
    PutImagePart(moment, change);
  } else if (StoredStepsBytes() > ImageBytes()) {
    PutImage(moment, change);
  }
}

void Journal::PutSteps(uint64_t step, SessionChange& change) {
  bytes_a_step_ = rows_.bytes() / steps_;
  Put({.kind = PieceKind::kSteps, .base_step = stored_.step, .step = step},
      rows_.Take(), change);
  MayDieAt(Failpoint::kStepsPut);
}

void Journal::PutImage(const Moment& moment, SessionChange& change) {
  Remove(Superseded(stored_.pieces, moment.standing.progress.step), change);
  stored_.first_live = next_piece_;
  const size_t size = layout_.weight_count();
  for (size_t first = 0; first < size; first += PartWeights()) {
    PutWeights(moment, first, std::min(PartWeights(), size - first), change);
  }
  stored_.has_image = true;
  stored_.next_weight = 0;
  MayDieAt(Failpoint::kImagePut);
}

// Begins when the rows behind the image are longer than it, and goes on with
// each commit until the last part.
void Journal::PutImagePart(const Moment& moment, SessionChange& change) {
  if (stored_.next_weight == 0) {
    if (StoredStepsBytes() <= ImageBytes()) return;
    stored_.part_step = moment.standing.progress.step;
    stored_.part_piece = next_piece_;
  }
  const size_t size = layout_.weight_count();
  const size_t count = std::min(PartWeights(), size - stored_.next_weight);
  PutWeights(moment, stored_.next_weight, count, change);
  stored_.next_weight += count;
  MayDieAt(Failpoint::kImagePartPut);
  if (stored_.next_weight < size) return;
  stored_.next_weight = 0;
  stored_.first_live = stored_.part_piece;
  Remove(Superseded(stored_.pieces, stored_.part_step), change);
  MayDieAt(Failpoint::kImageEnded);
}

void Journal::PutWeights(const Moment& moment, size_t first, size_t count,
                         SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  Put({.kind = PieceKind::kImage, .step = step, .first_number = first},
      ImagePiece({.step = step, .first = first, .count = count}, moment.weights,
                 moment.state),
      change);
}

void Journal::Put(PieceName name, std::string bytes, SessionChange& change) {
  name.number = next_piece_++;
  stored_.pieces.push_back({name, bytes.size()});
  change.put.push_back({name, std::move(bytes)});
}

void Journal::Remove(std::span<const uint64_t> numbers, SessionChange& change) {
  const HeldPieces held = stored_.checkpoints->Held();
  KeptPieces kept = *stored_.kept;
  for (const uint64_t number : numbers) {
    const auto piece = std::ranges::find(
        stored_.pieces, number,
        [](const StoredPiece& each) { return each.name.number; });
    const PieceKind kind = piece->name.kind;
    stored_.pieces.erase(piece);
    if (held.Has(kind, number)) {
      kept.push_back({kind, number});
    } else {
      RemoveFromStore(number, change);
    }
  }
  stored_.kept = std::make_shared<const KeptPieces>(std::move(kept));
}

void Journal::RemoveFromStore(uint64_t number, SessionChange& change) {
  const auto is_it = [&](const Piece& each) {
    return each.name.number == number;
  };
  // What this very change puts has not reached the store, and need not.
  if (std::erase_if(change.put, is_it) == 0) change.remove.push_back(number);
}

void Journal::EditCheckpoints(const CheckpointEdit& edit,
                              SessionChange& change) {
  if (!edit.put.has_value() && edit.remove.empty()) return;
  CheckpointSet after = *stored_.checkpoints;
  std::vector<std::string> gone = edit.remove;
  if (edit.put.has_value()) gone.push_back(edit.put->name);
  for (const std::string& name : gone) {
    const CheckpointSet::Entry* const entry = after.Find(name);
    if (entry == nullptr) continue;
    RemoveFromStore(entry->piece, change);
    after.Remove(name);
  }
  if (edit.put.has_value()) {
    const bool is_new = edit.put->order == 0;
    const auto put = std::make_shared<const Checkpoint>(
        is_new ? Made(*edit.put, change) : *edit.put);
    const PieceName name{.number = next_piece_++,
                         .kind = PieceKind::kCheckpoint,
                         .step = put->step};
    change.put.push_back({name, codec_.EncodeCheckpoint(*put)});
    after.Put({put, name.number});
  }
  stored_.checkpoints = std::make_shared<const CheckpointSet>(std::move(after));
  RemoveUnheld(change);
}

Checkpoint Journal::Made(Checkpoint checkpoint,
                         const SessionChange& change) const {
  checkpoint.epoch = change.head.epoch;
  checkpoint.step = change.head.step;
  checkpoint.head = change.head.body;
  checkpoint.order = next_piece_;
  checkpoint.first_piece = stored_.first_live;
  checkpoint.last_piece = next_piece_ - 1;
  for (const StoredPiece& piece : stored_.pieces) {
    checkpoint.stored_bytes += piece.bytes;
    if (piece.name.kind == PieceKind::kSpec) {
      checkpoint.spec_piece = piece.name.number;
    }
  }
  return checkpoint;
}

void Journal::RemoveUnheld(SessionChange& change) {
  const HeldPieces held = stored_.checkpoints->Held();
  KeptPieces kept;
  for (const Kept& each : *stored_.kept) {
    if (held.Has(each.kind, each.number)) {
      kept.push_back(each);
    } else {
      RemoveFromStore(each.number, change);
    }
  }
  stored_.kept = std::make_shared<const KeptPieces>(std::move(kept));
}

}  // namespace backprop
