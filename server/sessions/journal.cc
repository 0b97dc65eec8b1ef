// SPDX-License-Identifier: Apache-2.0
#include "server/sessions/journal.h"

#include <algorithm>
#include <new>
#include <utility>

#include "server/store/failpoint.h"
#include "server/store/restore.h"
#include "server/store/session_image.h"

namespace backprop {
namespace {

// Of one image piece: some milliseconds of a disk.
constexpr size_t kPartBytes = size_t{4} << 20;
// An image up to this is handed over whole: copying it takes a millisecond or
// two.
constexpr size_t kWholeBytes = size_t{8} << 20;
// With history, rows that wait for a commit: beyond that the disk can't follow.
constexpr size_t kMostRowBytes = size_t{64} << 20;
// ... and that may follow on an image: each costs a place, and time when rows
// are read instead.
constexpr size_t kImagesOfRows = 4;
constexpr size_t kLeastRowBytes = size_t{64} << 10;
// Of the bytes that history may have, what is between two images, as they go
// together.
constexpr size_t kGroups = 8;

bool IsLive(const PieceName& name, uint64_t first_live, uint64_t spec) {
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
                 uint64_t first_live_piece, CheckpointSet checkpoints,
                 History history)
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
    } else if (held.Has(name.kind, name.number) &&
               !HasPiece(*history.past, name.number)) {
      kept.push_back({name.kind, name.number});
    }
  }
  stored_.history = std::move(history);
  stored_.steps_bytes = StoredStepsBytes();
  stored_.kept = std::make_shared<const KeptPieces>(std::move(kept));
  stored_.checkpoints =
      std::make_shared<const CheckpointSet>(std::move(checkpoints));
}

bool Journal::BeginSteps(const std::shared_ptr<const SessionSpec>& spec,
                         const DoneRequests& requests) {
  gathered_for_ = spec->history;
  if (!gathered_for_.any()) blocks_.Tear();
  if (!gathers_ || blocks_.torn()) return true;
  blocks_.See(requests);
  return blocks_.GoesOn(spec);
}

void Journal::BeginBlock(const Moment& moment) {
  std::string head =
      codec_.EncodeHead(moment.birth, moment.standing, *moment.spec, {});
  blocks_.MakeRoom();
  if (blocks_.has_steps()) blocks_.End(TakeRows());
  blocks_.Begin(moment.spec, std::move(head), moment.standing.requests);
}

void Journal::AddSteps(const StepsPart& part, std::span<const float> errors) {
  steps_ += errors.size();
  if (!gathers_) return;
  try {
    rows_.Append(part);
    blocks_.AddErrors(errors);
  } catch (const std::bad_alloc&) {
    return StopGathering();
  }
  const size_t most = gathered_for_.any()
                          ? std::max(kMostRowBytes, ImageBytes())
                          : ImageBytes();
  if (rows_.bytes() + blocks_.bytes() > most) StopGathering();
}

void Journal::StopGathering() {
  bytes_a_step_ = (rows_.bytes() + blocks_.bytes()) / steps_;
  rows_.StartAfter(0);
  blocks_.Clear();
  blocks_.Tear();
  gathers_ = false;
}

bool Journal::ShouldGather(const HistoryLimits& limits) const {
  return StepsRestore(layout_) &&
         (limits.any() || steps_ * bytes_a_step_ <= ImageBytes());
}

StepsRows Journal::TakeRows() {
  StepsRows rows{.base_step = rows_.base_step(), .step = rows_.step()};
  rows.bytes = rows_.Take();
  return rows;
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
  return bytes + stored_.history.past->bytes();
}

size_t Journal::MostStepsBytes(const HistoryLimits& limits) const {
  const size_t image = ImageBytes();
  if (!limits.any()) return image;
  const size_t most = std::max(kImagesOfRows * image, kLeastRowBytes);
  if (limits.max_bytes == 0) return most;
  return std::clamp<size_t>(limits.max_bytes / kGroups, image, most);
}

size_t Journal::BytesToHandOver() const {
  if (!stored_.has_image) return ImageBytes();
  if (steps_ == 0) return 0;
  if (!gathers_) return ImageBytes();
  const size_t rows = rows_.bytes() + blocks_.bytes();
  return rows + ImageBytesWith(rows);
}

// As PutNumbers.
size_t Journal::ImageBytesWith(size_t rows) const {
  const bool is_under_way = stored_.next_weight > 0;
  const size_t most = MostStepsBytes(gathered_for_);
  if (!is_under_way && stored_.steps_bytes + rows <= most) return 0;
  return ImageBytes() > kWholeBytes ? kPartBytes : ImageBytes();
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
    blocks_.Clear();
    blocks_.Tear();
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

SessionChange Journal::Rewind(const Moment& moment, bool keeps_history) {
  return WholeOrNothing([&] {
    SessionChange change;
    change.expected_epoch = stored_.epoch;
    const uint64_t step = moment.standing.progress.step;
    if (keeps_history && moment.spec->history.any()) {
      CutHistory(moment, change);
    } else {
      ForgetHistory(change);
    }
    std::vector<uint64_t> numbers;
    for (const StoredPiece& piece : stored_.pieces) {
      if (piece.name.kind != PieceKind::kSpec) {
        numbers.push_back(piece.name.number);
      }
    }
    Remove(numbers, change);
    PutSpec(moment.spec, step, change);
    PutImage(moment, change);
    KeepHistory(moment, change);
    ++epoch_;
    steps_ = 0;  // those that were gathered are of no life any more
    Conclude(moment, change);
    return change;
  });
}

SessionChange Journal::NextChange(const Moment& moment) {
  SessionChange change;
  change.expected_epoch = stored_.epoch;
  if (!HistoryGoesOn(moment)) ForgetHistory(change);
  // Where it goes on, the steps' own specs come before.
  if (!stored_.history.begun) PutNewSpec(moment, change);
  if (!stored_.has_image || moment.standing.progress.step != stored_.step) {
    PutNumbers(moment, change);
  }
  PutNewSpec(moment, change);
  KeepHistory(moment, change);
  Conclude(moment, change);
  return change;
}

void Journal::Conclude(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  change.head = {moment.birth.id, epoch_, step,
                 codec_.EncodeHead(moment.birth, moment.standing, *moment.spec,
                                   {stored_.first_live, history_first_step()})};
  stored_.epoch = epoch_;
  stored_.step = step;
  stored_.steps_bytes = StoredStepsBytes();
  gathers_ = ShouldGather(moment.spec->history);
  rows_.StartAfter(step);
  blocks_.Clear();
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
  if (stored_.spec != moment.spec) {
    PutSpec(moment.spec, moment.standing.progress.step, change);
  }
}

void Journal::PutSpec(const std::shared_ptr<const SessionSpec>& spec,
                      uint64_t step, SessionChange& change) {
  const auto before =
      std::ranges::find(stored_.pieces, PieceKind::kSpec,
                        [](const StoredPiece& each) { return each.name.kind; });
  if (before != stored_.pieces.end()) {
    const StoredPiece piece = *before;
    if (stored_.spec_is_needed) {
      Remove({&piece.name.number, 1}, change);
    } else {
      stored_.pieces.erase(before);
      Drop({&piece, 1}, change);
    }
  }
  Put({.kind = PieceKind::kSpec, .step = step},
      codec_.EncodeSpec(*spec, layout_), change);
  stored_.spec = spec;
  stored_.spec_is_needed = false;
}

uint64_t Journal::SpecPiece() const {
  uint64_t number = 0;
  for (const StoredPiece& each : stored_.pieces) {
    if (each.name.kind == PieceKind::kSpec) number = each.name.number;
  }
  return number;
}

void Journal::PutNumbers(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  if (!StepsCover(step)) return PutImage(moment, change);
  PutSteps(moment, change);
  if (ImageBytes() > kWholeBytes) {
    PutImagePart(moment, change);
  } else if (StoredStepsBytes() > MostStepsBytes(moment.spec->history)) {
    PutImage(moment, change);
  }
}

void Journal::PutSteps(const Moment& moment, SessionChange& change) {
  bytes_a_step_ = (rows_.bytes() + blocks_.bytes()) / steps_;
  blocks_.See(moment.standing.requests);
  if (blocks_.has_steps()) blocks_.End(TakeRows());
  for (BlockWriter::Ended& each : blocks_.Take()) {
    if (!stored_.history.begun) {
      PutRows(std::move(each.rows), change);
      continue;
    }
    const uint64_t base_step = each.rows.base_step;
    const uint64_t step = each.rows.step;
    if (stored_.spec != each.spec) PutSpec(each.spec, base_step, change);
    PutRows(std::move(each.rows), change);
    each.block.time = moment.now;
    PutBlock(base_step, step, std::move(each.block), change);
  }
  if (!rows_.empty()) PutRows(TakeRows(), change);
  MayDieAt(Failpoint::kStepsPut);
}

void Journal::PutRows(StepsRows rows, SessionChange& change) {
  Put({.kind = PieceKind::kSteps,
       .base_step = rows.base_step,
       .step = rows.step},
      std::move(rows.bytes), change);
}

void Journal::PutImage(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  Remove(Superseded(stored_.pieces, step), change);
  CloseGroup(stored_.first_live, step, moment.now);
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
    if (StoredStepsBytes() <= MostStepsBytes(moment.spec->history)) return;
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
  Remove(Superseded(stored_.pieces, stored_.part_step), change);
  MayDieAt(Failpoint::kImageEnded);
  CloseGroup(stored_.first_live, moment.standing.progress.step, moment.now);
  stored_.first_live = stored_.part_piece;
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
  std::vector<StoredPiece> pieces;
  for (const uint64_t number : numbers) {
    const auto piece = std::ranges::find(
        stored_.pieces, number,
        [](const StoredPiece& each) { return each.name.number; });
    pieces.push_back(*piece);
    stored_.pieces.erase(piece);
  }
  if (!stored_.history.begun) return Drop(pieces, change);
  if (pieces.empty()) return;
  PastPieces past = *stored_.history.past;
  for (const StoredPiece& piece : pieces) past.Add(piece);
  ReplacePast(std::move(past));
}

void Journal::Drop(std::span<const StoredPiece> pieces, SessionChange& change) {
  if (pieces.empty()) return;
  const HeldPieces held = stored_.checkpoints->Held();
  KeptPieces kept = *stored_.kept;
  for (const auto& [name, bytes] : pieces) {
    if (held.Has(name.kind, name.number)) {
      kept.push_back({name.kind, name.number});
    } else {
      RemoveFromStore(name.number, change);
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

bool Journal::HistoryGoesOn(const Moment& moment) const {
  const uint64_t step = moment.standing.progress.step;
  return moment.spec->history.any() &&
         (step == stored_.step || (StepsCover(step) && blocks_.Cover(steps_)));
}

void Journal::KeepHistory(const Moment& moment, SessionChange& change) {
  const HistoryLimits& limits = moment.spec->history;
  if (!limits.any()) return;
  History& history = stored_.history;
  const uint64_t step = moment.standing.progress.step;
  if (history.past->IsBeyond(limits, step, moment.now)) {
    PastPieces past = *history.past;
    const auto gone = past.Trim(limits, step, moment.now, PresentBlocks());
    ReplacePast(std::move(past));
    Drop(gone, change);
  }
  if (!history.first_step().has_value()) PutMoment(moment, change);
}

void Journal::PutMoment(const Moment& moment, SessionChange& change) {
  const uint64_t step = moment.standing.progress.step;
  PutBlock(step, step,
           {.head = codec_.EncodeHead(moment.birth, moment.standing,
                                      *moment.spec, {}),
            .time = moment.now},
           change);
}

void Journal::PutBlock(uint64_t base_step, uint64_t step, HistoryBlock block,
                       SessionChange& change) {
  block.spec_piece = SpecPiece();
  block.last_piece = next_piece_ - 1;
  const PieceName name{.kind = PieceKind::kBlock,
                       .base_step = base_step,
                       .step = step,
                       .first_number = stored_.first_live};
  Put(name, codec_.EncodeBlock(block), change);
  stored_.spec_is_needed = true;
  History& history = stored_.history;
  history.begun = true;
  if (!history.present_first_step.has_value()) {
    history.present_first_step = FirstStepOf(name);
  }
  MayDieAt(Failpoint::kBlockPut);
}

void Journal::ReplacePast(PastPieces past) {
  stored_.history.past = std::make_shared<const PastPieces>(std::move(past));
}

void Journal::CloseGroup(uint64_t first_piece, uint64_t step,
                         std::chrono::system_clock::time_point now) {
  History& history = stored_.history;
  if (!history.present_first_step.has_value()) return;
  PastPieces past = *history.past;
  std::erase_if(stored_.pieces, [&](const StoredPiece& piece) {
    if (piece.name.kind != PieceKind::kBlock) return false;
    past.Add(piece);
    return true;
  });
  past.Close({.first_piece = first_piece,
              .first_step = *history.present_first_step,
              .last_step = step,
              .last_time = now});
  ReplacePast(std::move(past));
  history.present_first_step.reset();
}

void Journal::ForgetHistory(SessionChange& change) {
  if (!stored_.history.begun) return;
  std::vector<StoredPiece> gone = stored_.history.past->pieces();
  std::erase_if(stored_.pieces, [&](const StoredPiece& piece) {
    if (piece.name.kind != PieceKind::kBlock) return false;
    gone.push_back(piece);
    return true;
  });
  stored_.history = {};
  Drop(gone, change);
}

void Journal::CutHistory(const Moment& moment, SessionChange& change) {
  History& history = stored_.history;
  if (!history.begun) return;
  CloseGroup(stored_.first_live, stored_.step, moment.now);
  PastPieces past = *history.past;
  std::erase_if(stored_.pieces, [&](const StoredPiece& piece) {
    if (piece.name.kind == PieceKind::kSpec) return false;
    past.Add(piece);
    return true;
  });
  const auto gone = past.CutAfter(moment.standing.progress.step);
  history.begun = !past.groups().empty();
  ReplacePast(std::move(past));
  Drop(gone, change);
  MayDieAt(Failpoint::kHistoryCut);
}

PastPieces::Present Journal::PresentBlocks() const {
  PastPieces::Present present{.first_piece = stored_.first_live};
  for (const auto& [name, bytes] : stored_.pieces) {
    if (name.kind != PieceKind::kBlock) continue;
    present.first_block = std::min(present.first_block, name.number);
  }
  return present;
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
    if (piece.name.kind == PieceKind::kBlock) continue;
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
